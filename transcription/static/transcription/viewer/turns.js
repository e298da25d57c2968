// Replaces the turns that a correction has changed.
import { findDoubtful, isDoubtful } from "./doubtful.js";
import { clearTabStop, selectWord, tabStop } from "./focus.js";
import { forgetSpoken, highlightSpoken } from "./playback.js";
import { numberOf, ranges, replaceWords, wordIndexOf } from "./words.js";

export function replaceTurns(changed) {
  const selected = ranges[tabStop]?.first ?? 0;
  clearTabStop();
  const replaced = replaceWords(changed);
  forgetSpoken();
  selectWord(wordIndexOf(selected), false);
  findDoubtful();
  for (const word of replaced) word.classList.toggle("doubtful", isDoubtful(numberOf(word)));
  highlightSpoken();
}
