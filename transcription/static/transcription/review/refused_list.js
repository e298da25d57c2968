// The list of the drafts that the server refused, with buttons.
import { selectWord } from "../viewer/focus.js";
import { byId } from "../viewer/page.js";
import { wordIndexOf, words } from "../viewer/words.js";
import { forget, refused, takeRefused } from "./drafts.js";
import { reopenInput } from "./input.js";
import { listItem } from "./list_item.js";
import { review } from "./page.js";
import { queueSave } from "./queue.js";

function showRefused() {
  byId("refused").replaceChildren(...refused.map((draft) => listItem(draft, `. ${draft.detail}`, {
    Edit: taken(reopenInput),
    ...(draft.isConflict && { "Use mine": taken(useMine) }),
    Discard: taken(discard),
  })));
}

// Return an action that first takes the draft out of the list.
const taken = (act) => (draft) => {
  takeRefused(draft);
  act(draft);
};

function useMine(draft) {
  queueSave(draft);
  discard(draft);
}

function discard(draft) {
  forget(draft);
  if (words.length) selectWord(wordIndexOf(draft.first));
}

review.addEventListener("review:refused", showRefused);
