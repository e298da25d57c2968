// The words of the transcript: their elements, times, confidence and corrections.
import { markCorrections } from "./corrections.js";
import { byId, text } from "./page.js";

export const turns = JSON.parse(byId("words").textContent);
const turnElements = [...text.querySelectorAll(".turn-text")];
const elementsOf = (turnElement) => [...turnElement.querySelectorAll(":scope > span")];

// These lists have an item for each word, in the order of the text.
export const words = turnElements.flatMap(elementsOf);
export const starts = turns.flatMap((turn) => turn.starts); // in ms
export const sure = turns.flatMap((turn) => turn.sure); // the confidence
export const ranges = turns.flatMap(rangesOf); // the original words that a word stands for

// The indexes of all words, in order of time.
let inTime = wordsByTime();
const numbers = new WeakMap(words.map((word, number) => [word, number]));

turns.forEach(({ corrections }, number) => {
  if (corrections.length) markCorrections(elementsOf(turnElements[number]), corrections);
});

// The index of a word's element. undefined: the element is not a word.
export const numberOf = (element) => numbers.get(element);

// Two people may speak at once. So the words in the text are not always in order of time.
function wordsByTime() {
  return [...starts.keys()].sort((a, b) => starts[a] - starts[b] || a - b);
}

function rangesOf({ begins, starts: here, corrections }) {
  const found = [];
  let original = begins;
  for (const correction of corrections) {
    while (found.length < correction.at) found.push({ first: original, last: ++original });
    for (let n = 0; n < correction.count; n += 1) found.push(correction);
    original = correction.last;
  }
  while (found.length < here.length) found.push({ first: original, last: ++original });
  return found;
}

// The number of items before the first one for which `isBefore` is false (binary search).
function countBefore(length, isBefore) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The index of the first word that stands for an original word. If the original word was
// removed: the index of the next word, or of the last word if there is no next one.
export function wordIndexOf(original) {
  const count = countBefore(ranges.length, (number) => ranges[number].last <= original);
  return Math.min(count, ranges.length - 1);
}

// The index of the word that is spoken now or was spoken last; -1 before the first.
export function wordIndexAt(ms) {
  const count = countBefore(inTime.length, (place) => starts[inTime[place]] <= ms + 1);
  return count ? inTime[count - 1] : -1;
}

// Replace the words of these turns, and leave all others alone: a long transcript has tens
// of thousands of words. Return the elements of the new words.
export function replaceWords(changed) {
  let isMoved = false;
  const replaced = [];
  for (const turn of changed) {
    const number = turns.findIndex(({ first }) => first === turn.first);
    if (number < 0) continue;
    isMoved ||= String(turn.starts) !== String(turns[number].starts);
    replaced.push(...replaceTurn(number, turn));
  }
  if (isMoved) inTime = wordsByTime();
  return replaced;
}

function replaceTurn(number, turn) {
  const at = turns.slice(0, number).reduce((sum, each) => sum + each.starts.length, 0);
  const before = turns[number].starts.length;
  turnElements[number].innerHTML = turn.html;
  turns[number] = turn;
  const elements = elementsOf(turnElements[number]);
  words.splice(at, before, ...elements);
  starts.splice(at, before, ...turn.starts);
  sure.splice(at, before, ...turn.sure);
  ranges.splice(at, before, ...rangesOf(turn));
  const end = elements.length === before ? at + before : words.length;
  for (let n = at; n < end; n += 1) numbers.set(words[n], n);
  markCorrections(elements, turn.corrections);
  return elements;
}
