// The texts that the user typed before somebody verified the transcript. _viewer.html loads
// this module for a verified transcript.
import { byId } from "../viewer/page.js";
import { change, storedDrafts, wholeText } from "./drafts.js";
import { review } from "./page.js";

const drafts = storedDrafts();
review.hidden = !drafts.length;
byId("refused").append(...drafts.map((draft) => {
  const item = document.createElement("li");
  item.textContent = change({ ...draft, typed: wholeText(draft) });
  return item;
}));
