// The word that Tab reaches. From this word, the arrow keys reach the others.
import { isInView, text } from "./page.js";
import { words } from "./words.js";

// The index of this word.
export let tabStop = 0;

export function selectWord(number, focus = true, scroll = true) {
  clearTabStop();
  tabStop = number;
  if (!words[tabStop]) return;
  words[tabStop].tabIndex = 0;
  words[tabStop].setAttribute("role", "button");
  if (!focus) return;
  text.dispatchEvent(new Event("viewer:select"));
  words[tabStop].focus({ preventScroll: true });
  if (scroll && !isInView(words[tabStop])) words[tabStop].scrollIntoView({ block: "center" });
}

// Call this before words are replaced. Afterwards, the index may be that of another word.
export function clearTabStop() {
  words[tabStop]?.removeAttribute("tabindex");
  words[tabStop]?.removeAttribute("role");
  tabStop = -1;
}

selectWord(0, false);
