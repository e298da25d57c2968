// Sends saves and other actions to the server, one at a time.
import { forget, handleRefusal, store } from "./drafts.js";
import { newKey, review, revision, showStatus } from "./page.js";

const RETRY_MS = 5000;
const token = document.querySelector("[name=csrfmiddlewaretoken]").value;

// Requests that the server has not answered, the oldest first: { url, body, sentence, save,
// restore, onDone, isStep }.
// - `sentence` is shown when the request is done.
// - Only a save has `save` (its draft), and perhaps `restore`, which shows the text before
//   the save again.
// - `isStep`: scroll to the words that change.
export let waiting = [];
let isSending = false;
let isOffline = false;
let retry = 0;

export function queueSave({ first, last, before, typed, seen = revision }, restore) {
  const save = { key: newKey(), at: Date.now(), state: "waiting", first, last, before, typed, seen };
  store(save);
  queueStored(save, restore);
}

// Queue a save that is in localStorage already.
export function queueStored(save, restore) {
  queue({
    save,
    restore,
    url: review.dataset.correct,
    body: { revision: save.seen, key: save.key, changes: [{ first: save.first, last: save.last, after: save.typed }] },
    sentence: "Saved.",
  });
}

export function queueAction(url, body, more) {
  if (isOffline) showOffline();
  else queue({ url, body: { ...body, revision }, ...more });
}

function queue(request) {
  waiting.push(request);
  sendQueue();
}

async function sendQueue() {
  if (isSending) return;
  isSending = true;
  let isRefused = false;
  clearTimeout(retry);
  while (waiting.length) {
    const { url, body, sentence, save, restore, onDone, isStep } = waiting[0];
    let answer;
    try {
      answer = await post(url, body);
    } catch {
      isOffline = Boolean(save);
      if (isOffline) break;
      isRefused = true;
      waiting.shift();
      showStatus("No answer: no connection, an error on the server, or you are logged out. Reload this page to see whether the text has changed.", true);
      continue;
    }
    isOffline = false;
    waiting.shift();
    // answers.js shows the answer.
    review.dispatchEvent(new CustomEvent("review:answer", { detail: { answer, isStep } }));
    if (answer.status !== 200) {
      isRefused = true;
      restore?.();
      const isConflict = Boolean(answer.status === 409 && answer.turns);
      if (save) handleRefusal({ ...save, isConflict, seen: isConflict ? revision : save.seen, detail: answer.detail });
      else showStatus(answer.detail, true);
    } else {
      if (save) forget(save);
      onDone?.();
      if (!isRefused) showStatus(sentence);
    }
  }
  isSending = false;
  if (!isOffline) return;
  // Do not undo or replace anything minutes later, when nobody expects it.
  waiting = waiting.filter(({ save }) => save);
  showOffline();
  retry = setTimeout(sendQueue, RETRY_MS);
}

async function post(url, body) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify(body),
  });
  const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
  if (answer.redirected || !isJson) throw new Error("not an answer of this site");
  return { status: answer.status, ...(await answer.json()) };
}

function showOffline() {
  showStatus("Not saved: no connection, an error on the server, or you are logged out. Your text is kept in this browser and is sent again every 5 seconds. Until it is saved, you cannot undo, redo or replace. If you are logged out, reload this page and log in.", true);
}

addEventListener("online", sendQueue);
