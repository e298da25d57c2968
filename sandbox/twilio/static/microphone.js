// Sends the microphone's sound to the page (phone.js), as 16-bit samples.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.kept = [];
    this.port.onmessage = () => this.send();
  }

  process([[samples]]) {
    if (samples) this.kept.push(Int16Array.from(samples, (each) => Math.max(-1, Math.min(1, each)) * 32767));
    if (this.kept.length >= 64) this.send();
    return true;
  }

  send() {
    const sound = new Int16Array(this.kept.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.kept) {
      sound.set(part, at);
      at += part.length;
    }
    this.kept = [];
    this.port.postMessage(sound, [sound.buffer]);
  }
}
registerProcessor("microphone", Microphone);
