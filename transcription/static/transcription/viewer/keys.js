// Keyboard shortcuts, and keys and clicks on words.
import { playNextDoubtful, playPreviousDoubtful } from "./doubtful.js";
import { selectWord } from "./focus.js";
import { copyLink } from "./link.js";
import { byId, text } from "./page.js";
import { playFrom, positionMs, seek, toggle } from "./playback.js";
import { changeSpeed, keysOn } from "./settings.js";
import { numberOf, starts, words } from "./words.js";

const BACK_MS = 3000;

const showKeys = () => byId("key-list").showModal();
const actions = {
  " ": toggle,
  n: playNextDoubtful,
  p: playPreviousDoubtful,
  j: () => seek(positionMs() - BACK_MS),
  "[": () => changeSpeed(-1),
  "]": () => changeSpeed(1),
  l: copyLink,
  "?": showKeys,
  "؟": showKeys,
};

// The character of a shortcut. Layouts without Latin letters have the shortcut's letter on
// the same key as an English keyboard.
export function shortcutOf({ key = "", code = "" }) {
  const places = { BracketLeft: "[", BracketRight: "]" };
  const isForeign = /^(?!\p{Script=Latin})\p{L}$/u.test(key);
  return ((isForeign && (code.match(/^Key(.)$/)?.[1] ?? places[code])) || key).toLowerCase();
}

// How many words an arrow key moves forward: 1, -1, or 0 for other keys.
export function stepOf({ key, target: word }) {
  const right = getComputedStyle(word).direction === "rtl" ? -1 : 1;
  return { ArrowLeft: -right, ArrowRight: right }[key] ?? 0;
}

// In these elements, letters are typed text and not shortcuts.
export const typing = "select, textarea, input:not([type=range], [type=checkbox])";
const hasOwnSpace = "button, summary, audio, input[type=checkbox]";

document.addEventListener("keydown", (event) => {
  const action = actions[shortcutOf(event)];
  if (!action || !keysOn() || event.defaultPrevented || event.isComposing) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(`dialog, ${typing}`)) return;
  if (event.key === " " && (event.repeat || event.target.closest(hasOwnSpace))) return;
  event.preventDefault();
  action();
});

text.addEventListener("keydown", (event) => {
  const number = numberOf(event.target);
  const step = stepOf(event);
  if (number === undefined || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter") playFrom(starts[number]);
  else if (step && words[number + step]) selectWord(number + step);
  else return;
  event.preventDefault();
});

text.addEventListener("click", (event) => {
  if (event.shiftKey) return;
  const number = numberOf(event.target);
  // If text is selected, do not play: the user may want to copy it.
  if (number === undefined || !getSelection().isCollapsed) return;
  // Do not scroll: the clicked word is in sight. If it moved, the second click of a double
  // click would miss it.
  selectWord(number, true, false);
  playFrom(starts[number]);
});

byId("show-keys").addEventListener("click", showKeys);
