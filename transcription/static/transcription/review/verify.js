// The button Verify. It works only if everything that the user typed is saved.
import { byId } from "../viewer/page.js";
import { refused } from "./drafts.js";
import { edit } from "./input.js";
import { revision, showStatus } from "./page.js";
import { waiting } from "./queue.js";

byId("verify")?.addEventListener("submit", (event) => {
  event.target.elements.revision.value = revision;
  const fault = (edit && "a correction is open. Press Enter to save it, then verify.")
    || (waiting.length && "your last change is still being saved. Wait for “Saved.”, then verify.")
    || (refused.length && "the texts in the list below are not saved. Use or discard them, then verify.");
  if (!fault) return;
  event.preventDefault();
  showStatus(`Not verified: ${fault}`, true);
});
