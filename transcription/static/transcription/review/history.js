// Undo, redo, and the list of revisions.
import { byId } from "../viewer/page.js";
import { latestHtml } from "./latest.js";
import { review } from "./page.js";
import { queueAction } from "./queue.js";

const revisions = byId("history");
const place = revisions.querySelector("div");

// Without a number: the user's last change.
export const undo = (number) => queueAction(review.dataset.undo, { number }, { sentence: "Undone.", isStep: !number });
export const redo = (number) => queueAction(review.dataset.redo, { number }, { sentence: "Redone.", isStep: !number });

const list = latestHtml((html) => {
  const hadFocus = place.contains(document.activeElement);
  place.innerHTML = html;
  // The button that had the focus is gone.
  if (hadFocus) revisions.querySelector("summary").focus();
}, () => {
  place.textContent = "The revisions cannot be loaded: no connection, an error on the server, or you are logged out. Reload this page.";
});

export function loadHistory() {
  list.load(review.dataset.history, { headers: { "X-Requested-With": "fetch" } });
}

revisions.addEventListener("toggle", () => { if (revisions.open) loadHistory(); });
revisions.addEventListener("click", (event) => {
  const { undo: undone, redo: redone } = event.target.dataset;
  if (undone) undo(Number(undone));
  if (redone) redo(Number(redone));
});
