// The input in which words are edited or inserted.
import { ranges, wordIndexOf, words } from "../viewer/words.js";
import { forget, handleRefusal, listRefused, store, wholeText } from "./drafts.js";
import { newKey, revision } from "./page.js";
import { queueSave } from "./queue.js";
import { expandToCorrections, textOf } from "./selection.js";

// The open input: { input, from, to, range, now, spans, draft }. `from`, `to` and `range`
// are those of expandToCorrections(). `now` is the text of these words, and `spans` are
// their elements. drafts.js describes `draft`.
export let edit = null;

const openDraft = () => ({ ...edit.draft, ...edit.range, state: "open", before: edit.now, typed: edit.input.value });

export function openInput(from, to, { typed = null, isInsertion = false, ...more } = {}) {
  if (edit) closeInput(true);
  // Somebody may have removed all words.
  if (!words.length) return;
  const all = expandToCorrections(from, to);
  const now = textOf(all.from, all.to);
  const input = createInput(typed ?? (isInsertion ? "" : now));
  input.setAttribute("aria-label", isInsertion ? `Insert after “${now}”` : `Correct “${now}”`);
  const spans = words.slice(all.from, all.to + 1);
  if (isInsertion) spans.at(-1).after(input);
  else {
    spans[0].before(input);
    for (const span of spans) span.hidden = true;
  }
  edit = { ...all, input, now, spans, draft: { key: newKey(), at: Date.now(), seen: revision, ...more, isInsertion } };
  if (typed !== null) store(openDraft());
  input.focus({ preventScroll: true });
  input.select();
}

function createInput(value) {
  const input = document.createElement("input");
  input.type = "text";
  input.maxLength = 5000;
  input.autocomplete = "off";
  input.spellcheck = false;
  input.value = value;
  const fit = () => { input.size = Math.max(4, input.value.length + 1); };
  fit();
  input.addEventListener("input", () => { fit(); store(openDraft()); });
  return input;
}

export function reopenInput(draft) {
  const from = wordIndexOf(draft.first);
  let to = wordIndexOf(draft.last - 1);
  // If somebody removed some of the words, these are the indexes of the next words.
  if (ranges[to]?.first >= draft.last) to -= 1;
  if (ranges[to]?.last > draft.first && from <= to) openInput(from, to, draft);
  else handleRefusal({ ...draft, seen: revision, isConflict: true, detail: "Somebody removed these words." });
}

export function closeInput(isSaved) {
  const { input, now, spans } = edit;
  const draft = { ...openDraft(), typed: input.value.trim().replace(/\s+/g, " ") };
  const typed = wholeText(draft);
  edit = null;
  input.remove();
  for (const span of spans) span.hidden = false;
  if (isSaved && typed !== now) {
    const restore = showPending(spans, typed);
    queueSave({ ...draft, typed }, restore);
  }
  if (!isSaved && draft.detail) listRefused(draft);
  else forget(draft);
}

// Show the text of a save that the server has not answered. Return a function that shows
// the text before the save again.
function showPending(spans, typed) {
  // If an earlier save is pending, its text may be refused, too.
  const text = spans[0].dataset.saved ??= spans[0].textContent;
  spans[0].textContent = typed || "…";
  spans[0].classList.add("pending");
  for (const span of spans.slice(1)) span.hidden = true;
  return () => {
    spans[0].textContent = text;
    spans[0].classList.remove("pending");
    for (const span of spans) span.hidden = false;
  };
}

// Close the input without saving. Return its draft and the selection in it, or null if no
// input is open. Then the turns can be replaced, and openAgain() opens the input again.
export function putAside() {
  if (!edit) return null;
  const { selectionStart, selectionEnd } = edit.input;
  const aside = { ...openDraft(), selection: [selectionStart, selectionEnd] };
  for (const span of edit.spans) span.hidden = false;
  edit.input.remove();
  edit = null;
  return aside;
}

export function openAgain(aside) {
  reopenInput(aside);
  edit?.input.setSelectionRange(...aside.selection);
}

// Another tab may have closed the same draft.
addEventListener("beforeunload", () => { if (edit) store(openDraft()); });
