// Plays the audio, and marks the word that is spoken.
import { audio, isInView, showStatus } from "./page.js";
import { drawPosition, wave } from "./waveform.js";
import { wordIndexAt, words } from "./words.js";

// After a seek, the audio's position may differ from the wanted one by this much.
export const NEAR_MS = 50;

// The index of the marked word.
export let spoken = -1;
// The place of the word that `n` or `p` played last. null: the user has gone elsewhere.
export let doubtfulPlace = null;
// Where this page moved the audio last, in ms.
let soughtMs = 0;
let frame = 0;

export const positionMs = () => audio.currentTime * 1000;
export const durationMs = () => (Number.isFinite(audio.duration) ? audio.duration : Number(wave?.dataset.seconds ?? 0)) * 1000;

export function clock(ms) {
  const [h, m, s] = [ms / 3600000, (ms / 60000) % 60, (ms / 1000) % 60].map(Math.floor);
  return (h ? `${h}:${String(m).padStart(2, "0")}` : m) + `:${String(s).padStart(2, "0")}`;
}

export function highlightSpoken() {
  const at = wordIndexAt(positionMs());
  drawPosition(durationMs() ? positionMs() / durationMs() : 0);
  if (at === spoken) return;
  // Do not scroll if the reader has scrolled away.
  const along = !audio.paused && spoken >= 0 && isInView(words[spoken]);
  words[spoken]?.classList.remove("spoken");
  words[at]?.classList.add("spoken");
  if (along && at >= 0 && !isInView(words[at])) words[at].scrollIntoView({ block: "center" });
  spoken = at;
}

// Call this after words were replaced: the index may now be the index of another word.
export function forgetSpoken() {
  spoken = -1;
}

export function play() {
  // play() fails if the browser refuses it or a pause interrupts it. The player then
  // shows that it is paused.
  audio.play().catch(() => {});
}

export const toggle = () => (audio.paused ? play() : audio.pause());

export function seek(ms) {
  soughtMs = Math.max(0, ms);
  audio.currentTime = soughtMs / 1000;
  highlightSpoken();
}

export function playFrom(ms, place = null) {
  doubtfulPlace = place;
  seek(ms);
  play();
}

function followAudio() {
  cancelAnimationFrame(frame);
  highlightSpoken();
  if (!audio.paused) frame = requestAnimationFrame(followAudio);
}

for (const moment of ["play", "pause", "seeked", "timeupdate"]) audio.addEventListener(moment, followAudio);

// The user moved the audio with the browser's own controls.
audio.addEventListener("seeking", () => { if (Math.abs(positionMs() - soughtMs) > NEAR_MS) doubtfulPlace = null; });
audio.addEventListener("error", () => showStatus("The audio cannot be played."));

wave?.addEventListener("click", (event) => {
  const { left, width } = wave.getBoundingClientRect();
  doubtfulPlace = null;
  seek(durationMs() * Math.min(1, Math.max(0, (event.clientX - left) / width)));
});
