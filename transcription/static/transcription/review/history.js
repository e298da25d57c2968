// Undo, redo, and the list of revisions.
import { byId } from "../viewer/page.js";
import { review } from "./page.js";
import { queueAction } from "./queue.js";

const revisions = byId("history");
let loads = 0;

// Without a number: the user's last change.
export const undo = (number) => queueAction(review.dataset.undo, { number }, { sentence: "Undone.", isStep: !number });
export const redo = (number) => queueAction(review.dataset.redo, { number }, { sentence: "Redone.", isStep: !number });

export async function loadHistory() {
  const place = revisions.querySelector("div");
  // The answer to an earlier request may come later: ignore it.
  const load = ++loads;
  try {
    const answer = await fetch(review.dataset.history, { headers: { "X-Requested-With": "fetch" } });
    if (answer.redirected || !answer.ok) throw new Error("no history");
    const html = await answer.text();
    if (load !== loads) return;
    const hadFocus = place.contains(document.activeElement);
    place.innerHTML = html;
    // The button that had the focus is gone.
    if (hadFocus) revisions.querySelector("summary").focus();
  } catch {
    if (load !== loads) return;
    place.textContent = "The revisions cannot be loaded: no connection, an error on the server, or you are logged out. Reload this page.";
  }
}

revisions.addEventListener("toggle", () => { if (revisions.open) loadHistory(); });
revisions.addEventListener("click", (event) => {
  const { undo: undone, redo: redone } = event.target.dataset;
  if (undone) undo(Number(undone));
  if (redone) redo(Number(redone));
});
