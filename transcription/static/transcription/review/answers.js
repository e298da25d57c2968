// Shows the turns in an answer of the server.
import { selectWord, tabStop } from "../viewer/focus.js";
import { byId, text } from "../viewer/page.js";
import { replaceTurns } from "../viewer/turns.js";
import { words } from "../viewer/words.js";
import { loadHistory } from "./history.js";
import { openAgain, putAside } from "./input.js";
import { review, setRevision } from "./page.js";
import { showSelection } from "./selection.js";

function showAnswer(answer, isStep) {
  if (answer.revision !== undefined) setRevision(answer.revision);
  if (answer.reload) location.reload();
  if (!answer.turns?.length) return;
  const hadFocus = text.contains(document.activeElement);
  const aside = putAside();
  const before = isStep ? words.map((word) => word.textContent) : [];
  replaceTurns(answer.turns);
  showSelection();
  if (isStep) showFirstChange(before);
  if (aside) openAgain(aside);
  else if (hadFocus) words[tabStop]?.focus({ preventScroll: true });
  if (byId("history").open) loadHistory();
}

function showFirstChange(before) {
  const changed = words.findIndex((word, number) => word.textContent !== before[number]);
  if (changed < 0) return;
  selectWord(changed, false);
  words[changed].scrollIntoView({ block: "nearest" });
}

review.addEventListener("review:answer", ({ detail }) => showAnswer(detail.answer, detail.isStep));
