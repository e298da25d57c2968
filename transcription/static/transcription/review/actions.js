// The buttons, keys and clicks that correct words.
import { selectWord } from "../viewer/focus.js";
import { shortcutOf, stepOf, typing } from "../viewer/keys.js";
import { byId, text } from "../viewer/page.js";
import { keysOn } from "../viewer/settings.js";
import { numberOf, words } from "../viewer/words.js";
import { redo, undo } from "./history.js";
import { closeInput, edit, openInput } from "./input.js";
import { queueSave } from "./queue.js";
import { clearSelection, expandToCorrections, extendSelection, takeSelection, textOf } from "./selection.js";

function markAsRight(isPointer) {
  if (!words.length) return;
  const all = expandToCorrections(...takeSelection(isPointer));
  const now = textOf(all.from, all.to);
  queueSave({ ...all.range, before: now, typed: now });
}

const actions = {
  edit: (isPointer) => openInput(...takeSelection(isPointer)),
  insert: (isPointer) => openInput(...takeSelection(isPointer), { isInsertion: true }),
  accept: markAsRight,
  undo: () => undo(),
  redo: () => redo(),
};

for (const [name, act] of Object.entries(actions)) {
  const button = byId(`${name}-word`);
  // Do not take the focus from the word.
  button?.addEventListener("pointerdown", (event) => event.preventDefault());
  // Enter and Space on the button cause a click event too. Its `detail` is 0.
  button?.addEventListener("click", (event) => act(event.detail > 0));
}

// Capture, so that these keys act before the keys of the viewer.
text.addEventListener("keydown", (event) => {
  const press = edit && event.target === edit.input ? pressInInput : pressOnWord;
  if (press(event)) event.preventDefault();
}, true);

// Return whether the key did something.
function pressInInput(event) {
  if (event.isComposing) return false;
  const { to } = edit;
  if (event.key === "Enter") {
    closeInput(true);
    selectWord(Math.min(to + 1, words.length - 1));
  } else if (event.key === "Escape") {
    closeInput(false);
    selectWord(to);
  } else return false;
  return true;
}

// Return whether the key did something. If not, the viewer handles it.
function pressOnWord(event) {
  const number = numberOf(event.target);
  if (number === undefined || event.ctrlKey || event.altKey || event.metaKey) return false;
  const isArrow = ["ArrowLeft", "ArrowRight"].includes(event.key);
  if (isArrow && event.shiftKey) {
    const next = number + stepOf(event);
    if (words[next]) extendSelection(next);
    return true;
  }
  if (["Enter", "F2"].includes(event.key)) {
    actions.edit();
    return true;
  }
  // The viewer moves to the next word.
  if (isArrow) clearSelection();
  return false;
}

text.addEventListener("click", (event) => {
  const number = numberOf(event.target);
  if (event.shiftKey && number !== undefined) extendSelection(number);
});

text.addEventListener("dblclick", (event) => {
  const number = numberOf(event.target);
  if (number === undefined) return;
  selectWord(number);
  actions.edit();
});

document.addEventListener("keydown", (event) => {
  // A key that is held down must not queue dozens of requests.
  if (event.defaultPrevented || event.repeat || event.isComposing || event.target.closest(typing)) return;
  const key = shortcutOf(event);
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    if (key === "y" || (key === "z" && event.shiftKey)) redo();
    else if (key === "z") undo();
    else return;
  } else if (!event.altKey && keysOn() && ["i", "a"].includes(key) && text.contains(event.target)) {
    actions[key === "i" ? "insert" : "accept"]();
  } else return;
  event.preventDefault();
});
