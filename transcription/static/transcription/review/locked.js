// The texts that the user typed before somebody verified the transcript. _viewer.html loads
// this module for a verified transcript.
import { byId } from "../viewer/page.js";
import { forget, hasChange, storedDrafts } from "./drafts.js";
import { listItem } from "./list_item.js";
import { review } from "./page.js";

function show() {
  const drafts = storedDrafts().filter(hasChange);
  byId("refused").replaceChildren(...drafts.map((draft) => listItem(draft, "", { Discard: discard })));
  review.hidden = !drafts.length;
}

function discard(draft) {
  forget(draft);
  show();
}

show();
