// Drafts: typed text that is not saved yet. It survives a reload of the page.
//
// Each draft has its own entry in localStorage, so that two tabs do not overwrite each
// other's drafts: { key, at, state, first, last, before, typed, isInsertion, seen, detail,
// isConflict }.
// - `state` is "open", "waiting" or "refused".
// - `typed` replaces the text `before` of the original words from `first` to `last`. If
//   `isInsertion`, it follows this text.
// - `seen` is the revision that the user saw.
// - `detail` says why the server refused the draft.
// - `isConflict`: somebody else has changed the words.
import { review, showStatus } from "./page.js";

// With the user: another account in this browser must not send these drafts as its own.
const storageKey = `djtranscribe.drafts.${review.dataset.user}.${review.dataset.uuid}.`;

// Drafts that the server refused. refused_list.js shows them.
export let refused = [];

export function store(draft) {
  try { localStorage.setItem(storageKey + draft.key, JSON.stringify(draft)); } catch { /* This browser stores nothing. */ }
}

export function forget({ key }) {
  try { localStorage.removeItem(storageKey + key); } catch { /* This browser stores nothing. */ }
}

export function storedDrafts() {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(storageKey));
    return names.map((name) => JSON.parse(localStorage.getItem(name))).sort((one, other) => one.at - other.at);
  } catch { return []; }
}

export const wholeText = ({ before, typed, isInsertion }) => isInsertion ? `${before}${typed && " "}${typed}` : typed;

// Whoever marked words as right has typed nothing that could be lost.
export const hasChange = (draft) => wholeText(draft) !== draft.before;

function setRefused(drafts) {
  refused = drafts;
  review.dispatchEvent(new Event("review:refused"));
}

export function listRefused(draft) {
  const listed = { ...draft, state: "refused", typed: wholeText(draft), isInsertion: false };
  store(listed);
  setRefused([...refused, listed]);
}

// Remove a draft from the list. It stays in localStorage.
export function takeRefused(draft) {
  setRefused(refused.filter((each) => each !== draft));
}

export function handleRefusal(draft) {
  if (hasChange(draft)) {
    listRefused(draft);
    showStatus("Not saved. Your text is in the list below.", true);
  } else {
    forget(draft);
    showStatus(draft.detail, true);
  }
}
