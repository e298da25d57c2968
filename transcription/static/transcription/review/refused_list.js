// The list of the drafts that the server refused, with buttons.
import { selectWord } from "../viewer/focus.js";
import { byId } from "../viewer/page.js";
import { wordIndexOf, words } from "../viewer/words.js";
import { describe, forget, refused, takeRefused } from "./drafts.js";
import { reopenInput } from "./input.js";
import { review } from "./page.js";
import { queueSave } from "./queue.js";

function showRefused() {
  byId("refused").replaceChildren(...refused.map((draft) => {
    const item = document.createElement("li");
    const actions = { Edit: reopenInput, ...(draft.isConflict && { "Use mine": useMine }), Discard: discard };
    item.append(`${describe(draft)}. ${draft.detail}`);
    for (const [name, act] of Object.entries(actions)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => {
        takeRefused(draft);
        act(draft);
      });
      item.append(" ", button);
    }
    return item;
  }));
}

function useMine(draft) {
  queueSave(draft);
  discard(draft);
}

function discard(draft) {
  forget(draft);
  if (words.length) selectWord(wordIndexOf(draft.first));
}

review.addEventListener("review:refused", showRefused);
