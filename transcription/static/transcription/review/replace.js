// The form that finds words and replaces them in the whole transcript.
import { byId } from "../viewer/page.js";
import { latestHtml } from "./latest.js";
import { newKey, review } from "./page.js";
import { queueAction, waiting } from "./queue.js";

const form = byId("replace");
// Sent with the replacement. If the answer is lost and the request is sent again, the
// server finds the same key and does not replace twice.
let previewKey = "";
const place = form.querySelector(".preview");
const preview = latestHtml((html) => {
  place.innerHTML = html;
  previewKey = newKey();
}, () => {
  place.textContent = "No preview: no connection, an error on the server, or you are logged out.";
});

function showPreview(event) {
  event.preventDefault();
  preview.load(form.action, { method: "POST", body: new FormData(form) });
}

function replaceAll() {
  if (waiting.some(({ body }) => body.key === previewKey)) return;
  const [find, replace] = [form.elements.find.value, form.elements.replace.value];
  queueAction(review.dataset.replace, { find, replace, key: previewKey }, {
    sentence: "Replaced.",
    onDone: () => {
      if (place.contains(document.activeElement)) form.elements.find.focus();
      place.textContent = "";
    },
  });
}

form.addEventListener("submit", showPreview);
form.addEventListener("input", () => {
  // The button "Replace" sends the text that the form has then. So a preview of an earlier
  // text must not appear.
  preview.ignoreEarlier();
  place.textContent = "";
});
form.addEventListener("click", (event) => { if (event.target.id === "replace-all") replaceAll(); });
