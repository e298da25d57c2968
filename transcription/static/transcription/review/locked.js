// The texts that the user typed before somebody verified the transcript. _viewer.html loads
// this module for a verified transcript.
import { byId } from "../viewer/page.js";
import { describe, forget, storedDrafts, wholeText } from "./drafts.js";
import { review } from "./page.js";

// Whoever marked words as right has typed nothing that could be lost.
const drafts = storedDrafts().filter((draft) => wholeText(draft) !== draft.before);

byId("refused").append(...drafts.map((draft) => {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Discard";
  button.addEventListener("click", () => {
    forget(draft);
    item.remove();
    review.hidden = !byId("refused").hasChildNodes();
  });
  item.append(`${describe({ ...draft, typed: wholeText(draft) })} `, button);
  return item;
}));
review.hidden = !drafts.length;
