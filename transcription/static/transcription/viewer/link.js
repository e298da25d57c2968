// Links to a moment of the recording: #t=12.5, in seconds. Search results have them, too.
import { selectWord, tabStop } from "./focus.js";
import { audio, byId, showStatus } from "./page.js";
import { clock, playFrom, spoken } from "./playback.js";
import { starts, wordIndexAt, words } from "./words.js";

// Copy a link to the selected word, or to the word spoken now.
export async function copyLink() {
  const at = audio.paused && document.activeElement === words[tabStop] ? starts[tabStop] : starts[spoken] ?? starts[tabStop] ?? 0;
  // To the millisecond: a time rounded down to seconds may lead to an earlier word.
  const link = `${location.origin}${location.pathname}#t=${Math.round(at) / 1000}`;
  try {
    await navigator.clipboard.writeText(link);
    showStatus(`The link to ${clock(at)} is copied.`);
  } catch {
    // The clipboard needs https and permission: show the link instead.
    history.replaceState(null, "", link);
    showStatus(`The address of this page now leads to ${clock(at)}. Copy it.`);
  }
}

// Play from the moment in the page's address. If the browser requires a click before it
// plays, the position is set nevertheless.
export function goToMoment() {
  const [, wanted] = location.hash.match(/^#t=(\d+(?:\.\d+)?)$/) ?? [];
  if (!wanted) return;
  playFrom(Number(wanted) * 1000);
  const at = wordIndexAt(Number(wanted) * 1000);
  if (at >= 0) selectWord(at);
  words[at]?.scrollIntoView({ block: "center" });
}

byId("copy-moment").addEventListener("click", copyLink);
addEventListener("hashchange", goToMoment);
