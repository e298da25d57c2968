// The waveform: the line at the current position, and the marks of doubtful words.
import { player } from "./page.js";

// Without a recording there is no waveform.
export const wave = player.querySelector(".wave");
const { width, height } = wave?.viewBox.baseVal ?? {};
const line = wave?.querySelector(".now");
let drawn = null;

// `share`: the position in the audio, from 0 to 1.
export function drawPosition(share) {
  const across = (share * width).toFixed(1);
  // Draw the line only if it has moved: each change repaints the whole waveform.
  if (across !== drawn) line?.setAttribute("d", `M${across} 0V${height}`);
  drawn = across;
}

// `shares`: the positions of the doubtful words.
export function drawMarks(shares) {
  // Short marks at the bottom: three hours of audio may have a thousand of them, which
  // must not hide the waveform.
  const marks = shares.map((share) => `M${Math.round(share * width)} ${height * 0.8}V${height}`);
  wave?.querySelector(".checks").setAttribute("d", [...new Set(marks)].join(""));
}
