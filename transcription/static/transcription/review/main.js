// Corrections on a transcript's page. _viewer.html loads this module for users who may
// correct the transcript.

// List all modules here, so that the browser loads them at the same time.
import "./actions.js";
import "./answers.js";
import { listRefused, storedDrafts } from "./drafts.js";
import "./history.js";
import { edit, reopenInput } from "./input.js";
import "./latest.js";
import "./list_item.js";
import { showStatus } from "./page.js";
import { queueStored } from "./queue.js";
import "./refused_list.js";
import "./replace.js";
import "./selection.js";
import "./verify.js";

for (const draft of storedDrafts()) {
  if (draft.state === "waiting") queueStored(draft);
  else if (draft.state === "refused") listRefused(draft);
  else if (edit) listRefused({ ...draft, detail: "Not saved yet." });
  else {
    showStatus("Your unsaved text was restored. Press Enter to save it.");
    reopenInput(draft);
  }
}
