// The settings that this browser remembers: speed, volume, “Skip silence” and “Keyboard shortcuts on”.
import { audio, byId, showStatus } from "./page.js";
import { NEAR_MS, positionMs, seek } from "./playback.js";

function stored(name) {
  try { return localStorage.getItem(`djtranscribe.${name}`); } catch { return null; }
}

function store(name, value) {
  try { localStorage.setItem(`djtranscribe.${name}`, value); } catch { /* This browser stores nothing. */ }
}

// Speed

const speed = byId("speed");

function setSpeed() {
  // Set the default speed, too: when the audio loads, the browser goes back to it.
  audio.defaultPlaybackRate = audio.playbackRate = Number(speed.value);
  store("speed", speed.value);
}

export function changeSpeed(step) {
  speed.selectedIndex = Math.min(speed.length - 1, Math.max(0, speed.selectedIndex + step));
  setSpeed();
  showStatus(`Speed ${speed.selectedOptions[0].textContent}`);
}

speed.addEventListener("change", setSpeed);
if ([...speed.options].some(({ value }) => value === stored("speed"))) speed.value = stored("speed");
setSpeed();

// Volume

const volume = Number(stored("volume") ?? 1);
if (volume >= 0 && volume <= 1) audio.volume = volume;
audio.addEventListener("volumechange", () => store("volume", audio.volume));

// Silence

const silences = JSON.parse(byId("silences").textContent);

function skipSilence() {
  if (!byId("skip-silence").checked || audio.paused) return;
  const ms = positionMs();
  const silence = silences.find(([from, to]) => ms >= from + NEAR_MS && ms < to - NEAR_MS);
  if (silence) seek(silence[1]);
}

byId("skip-silence").checked = stored("skip-silence") === "on";
byId("skip-silence").addEventListener("change", ({ target }) => store("skip-silence", target.checked ? "on" : "off"));
audio.addEventListener("timeupdate", skipSilence);

// Single-letter keys can be turned off: speech input may type them by accident.

export const keysOn = () => byId("keys").checked;

byId("keys").checked = stored("keys") !== "off";
byId("keys").addEventListener("change", ({ target }) => store("keys", target.checked ? "on" : "off"));
