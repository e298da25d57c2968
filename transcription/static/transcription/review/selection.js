// The words that the next action applies to.
import { selectWord, tabStop } from "../viewer/focus.js";
import { text } from "../viewer/page.js";
import { numberOf, ranges, wordIndexOf, words } from "../viewer/words.js";

// The original word where a selection with Shift began. The selection's other end is
// tabStop. null: no selection.
let anchor = null;

// The indexes of the first and last selected word. If none is selected, both are tabStop.
// isPointer: the action was started with mouse or fingers. Then prefer the browser's
// selection. An action from the keyboard uses only words selected with Shift, because the
// browser's selection may be out of sight.
function selected(isPointer) {
  const { isCollapsed, anchorNode, focusNode } = getSelection();
  const marked = [anchorNode, focusNode].map((node) => numberOf(node?.parentElement));
  const isMarked = isPointer && !isCollapsed && !marked.includes(undefined);
  const [one, other] = isMarked ? marked : [tabStop, anchor === null ? tabStop : wordIndexOf(anchor)];
  return [Math.min(one, other), Math.max(one, other)];
}

export function showSelection() {
  for (const word of text.querySelectorAll(".chosen")) word.classList.remove("chosen");
  const [from, to] = selected();
  if (from < to) for (const word of words.slice(from, to + 1)) word.classList.add("chosen");
}

export function clearSelection() {
  anchor = null;
  getSelection().removeAllRanges();
  showSelection();
}

// Return the selected words and clear the selection: the next action must not include
// them again.
export function takeSelection(isPointer) {
  const range = selected(isPointer);
  clearSelection();
  return range;
}

export function extendSelection(number) {
  const start = anchor ?? ranges[tabStop].first;
  // This clears the selection.
  selectWord(number);
  anchor = start;
  showSelection();
}

// The range of the words `from` to `to`, extended so that it does not cut a correction.
// `from` and `to` are indexes of words. `range` has indexes of original words.
export function expandToCorrections(from, to) {
  let { first } = ranges[from];
  let { last } = ranges[to];
  while (from > 0 && ranges[from - 1].last > first) from -= 1;
  while (to + 1 < words.length && ranges[to + 1].first < last) to += 1;
  ({ first } = ranges[from]);
  ({ last } = ranges[to]);
  return { from, to, range: { first, last } };
}

export function textOf(from, to) {
  return words.slice(from, to + 1)
    .map((word, n) => (n && word.previousSibling?.nodeType === Node.TEXT_NODE ? " " : "") + word.textContent)
    .join("");
}

text.addEventListener("viewer:select", clearSelection);
