// The doubtful words: words with a low confidence that nobody has checked yet.
import { selectWord } from "./focus.js";
import { audio, byId, showStatus } from "./page.js";
import { clock, doubtfulPlace, durationMs, playFrom, positionMs } from "./playback.js";
import { drawMarks, wave } from "./waveform.js";
import { ranges, starts, sure, turns, wordIndexAt, wordIndexOf, words } from "./words.js";

const LEAD_MS = 2000;
// Words with a lower confidence are doubtful.
let below = 0;
// The indexes of the doubtful words.
let doubtful = [];

export const isDoubtful = (number) => sure[number] !== null && sure[number] < below;

export function findDoubtful() {
  below = Number(byId("below").value);
  byId("below-value").textContent = below.toFixed(2);
  doubtful = [...sure.keys()].filter(isDoubtful);
  drawDoubtful();
  let checked = 0;
  for (const { corrections } of turns) for (const { doubts } of corrections) {
    checked += doubts.filter((each) => each !== null && each < below).length;
  }
  if (byId("checked")) byId("checked").textContent = checked + doubtful.length ? `${checked} of ${checked + doubtful.length} checked` : "";
  showStatus(`${doubtful.length} to check`);
  wave?.setAttribute("aria-label", `Waveform of the recording, ${doubtful.length} places to check`);
}

function drawDoubtful() {
  drawMarks(durationMs() ? doubtful.map((number) => starts[number] / durationMs()) : []);
}

function markDoubtful() {
  for (const number of doubtful) words[number].classList.remove("doubtful");
  findDoubtful();
  for (const number of doubtful) words[number].classList.add("doubtful");
}

// A word's place stays the same when other words are corrected or removed: its original
// word, and its number among the words that stand for this original word.
const placeOf = (number) => ({ first: ranges[number].first, nth: number - wordIndexOf(ranges[number].first) });

// The place from which `n` and `p` go on: the word that they played last, or else the
// word that is spoken now.
function currentPlace() {
  if (doubtfulPlace) return doubtfulPlace;
  const at = positionMs() === 0 ? -1 : wordIndexAt(positionMs());
  return at < 0 ? { first: -1, nth: 0 } : placeOf(at);
}

function playDoubtful(forward) {
  const { first, nth } = currentPlace();
  // Below 0: the word is before this place. Above 0: it is after it.
  const distance = (number) => ranges[number].first - first || number - wordIndexOf(first) - nth;
  const next = forward
    ? doubtful.find((number) => distance(number) > 0)
    : doubtful.findLast((number) => distance(number) < 0);
  if (next === undefined) {
    showStatus(`${doubtful.length} to check, none ${forward ? "after" : "before"} this place`);
    return;
  }
  selectWord(next);
  playFrom(starts[next] - LEAD_MS, placeOf(next));
  showStatus(`${doubtful.indexOf(next) + 1} of ${doubtful.length} to check: “${words[next].textContent}”, ${sure[next].toFixed(2)}, at ${clock(starts[next])}`);
}

export const playNextDoubtful = () => playDoubtful(true);
export const playPreviousDoubtful = () => playDoubtful(false);

byId("next").addEventListener("click", playNextDoubtful);
byId("previous").addEventListener("click", playPreviousDoubtful);
byId("below").addEventListener("input", markDoubtful);
audio.addEventListener("durationchange", drawDoubtful);
markDoubtful();
