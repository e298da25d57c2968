// What several modules of the review share.
import { byId } from "../viewer/page.js";

// The element with the buttons. Its data-* attributes have the URLs of the server's actions.
export const review = byId("review");
// The revision that this page shows.
export let revision = Number(review.dataset.revision);

export function setRevision(number) {
  revision = number;
}

export function showStatus(sentence, isBad = false) {
  byId("saved").textContent = sentence;
  byId("saved").classList.toggle("bad", isBad);
}

// A random key. Not crypto.randomUUID: it exists only with https and on localhost.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
