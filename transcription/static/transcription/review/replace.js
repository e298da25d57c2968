// The form that finds words and replaces them in the whole transcript.
import { byId } from "../viewer/page.js";
import { newKey, review } from "./page.js";
import { queueAction, waiting } from "./queue.js";

const form = byId("replace");
// Sent with the replacement. If the answer is lost and the request is sent again, the
// server finds the same key and does not replace twice.
let previewKey = "";
let previews = 0;

async function showPreview(event) {
  event.preventDefault();
  const place = form.querySelector(".preview");
  // If the text in the form has changed before the answer comes, ignore the answer: the
  // button "Replace" sends the text that the form has then.
  const preview = ++previews;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (answer.redirected || !answer.ok) throw new Error("no preview");
    const html = await answer.text();
    if (preview !== previews) return;
    place.innerHTML = html;
    previewKey = newKey();
  } catch {
    if (preview !== previews) return;
    place.textContent = "No preview: no connection, an error on the server, or you are logged out.";
  }
}

function replaceAll() {
  if (waiting.some(({ body }) => body.key === previewKey)) return;
  const [find, replace] = [form.elements.find.value, form.elements.replace.value];
  queueAction(review.dataset.replace, { find, replace, key: previewKey }, {
    sentence: "Replaced.",
    onDone: () => {
      const place = form.querySelector(".preview");
      if (place.contains(document.activeElement)) form.elements.find.focus();
      place.textContent = "";
    },
  });
}

form.addEventListener("submit", showPreview);
form.addEventListener("input", () => {
  previews += 1;
  form.querySelector(".preview").textContent = "";
});
form.addEventListener("click", (event) => { if (event.target.id === "replace-all") replaceAll(); });
