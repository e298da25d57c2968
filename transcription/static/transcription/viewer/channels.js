// Plays one channel alone. The page offers this only for a recording with two channels.
import { audio, byId } from "./page.js";

const balance = byId("balance");
let sides = null;

// The audio goes through the splitter only after the user has chosen a channel.
function splitChannels() {
  const context = new AudioContext();
  const splitter = context.createChannelSplitter(2);
  context.createMediaElementSource(audio).connect(splitter);
  return ["left", "right"].map((side, channel) => {
    const gain = context.createGain();
    splitter.connect(gain, channel);
    gain.connect(context.destination);
    return { side, gain, context };
  });
}

balance?.addEventListener("change", () => {
  sides ??= splitChannels();
  for (const { side, gain } of sides) gain.gain.value = balance.value === "both" || balance.value === side ? 1 : 0;
  sides[0].context.resume();
});
