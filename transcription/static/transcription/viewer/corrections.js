// Marks the words that somebody corrected or checked. Tooltips show the original text, and
// who changed it.
import { showStatus, text } from "./page.js";

// `words`: the elements of a turn's words. If words were removed, the word before them is
// marked.
export function markCorrections(words, corrections) {
  for (const { at, count, original, who, when } of corrections) {
    const now = words.slice(at, at + count).map((word) => word.textContent).join(" ");
    const about = now === original ? `Checked by ${who}, ${when}.` : `Was “${original}”. Corrected by ${who}, ${when}.`;
    const marked = count ? words.slice(at, at + count) : words.slice(Math.max(0, at - 1), Math.max(1, at));
    for (const word of marked) {
      word.classList.add(count ? (now === original ? "checked" : "corrected") : "removed");
      word.title = count ? about : `Removed: “${original}”, by ${who}, ${when}.`;
    }
  }
}

// Show the tooltip of the focused word as text, too: the keyboard cannot open tooltips.
text.addEventListener("focusin", ({ target: word }) => {
  if (word.title) showStatus(word.title);
});
