// The word that Tab reaches. From this word, the arrow keys reach the others.
import { isInView, text } from "./page.js";
import { words } from "./words.js";

// The index of this word.
export let tabStop = 0;

export function selectWord(number, focus = true, scroll = true) {
  words[tabStop]?.removeAttribute("tabindex");
  words[tabStop]?.removeAttribute("role");
  tabStop = number;
  if (!words[tabStop]) return;
  words[tabStop].tabIndex = 0;
  words[tabStop].setAttribute("role", "button");
  if (!focus) return;
  text.dispatchEvent(new Event("viewer:select"));
  words[tabStop].focus({ preventScroll: true });
  if (scroll && !isInView(words[tabStop])) words[tabStop].scrollIntoView({ block: "center" });
}

// Call this after words were replaced: the index may now be the index of another word.
export function forgetTabStop() {
  tabStop = -1;
}

selectWord(0, false);
