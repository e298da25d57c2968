// The phones on the page: they ring, speak the sentences, and record the microphone.
(() => {
  "use strict";
  const NEWS_MS = 300;
  const phones = document.getElementById("phones");
  const template = document.getElementById("phone");
  const problem = document.getElementById("problem");
  const idle = document.getElementById("idle");
  const cards = new Map();
  let sound = null; // The AudioContext. Created when the user first presses a button.
  let microphone = null;
  let withMicrophone = ""; // The SID of the phone that has the microphone.

  const post = (path, body = {}) => fetch(path, { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body) });
  const press = (sid, action, body) => post(`/phone/${sid}/${action}`, body);

  // Sounds. A browser plays no sound before the user has pressed something.

  function audible() {
    sound ??= new AudioContext();
    sound.resume();
    return sound;
  }

  function tone(frequencies, seconds, volume = 0.05) {
    if (!sound || sound.state !== "running") return;
    const gain = sound.createGain();
    gain.gain.value = volume;
    gain.connect(sound.destination);
    for (const frequency of frequencies) {
      const note = sound.createOscillator();
      note.frequency.value = frequency;
      note.connect(gain);
      note.start();
      note.stop(sound.currentTime + seconds);
    }
  }

  function speak(text) {
    if (globalThis.speechSynthesis?.getVoices().length) {
      const spoken = new SpeechSynthesisUtterance(text);
      spoken.rate = 1.1;
      speechSynthesis.speak(spoken);
    } else {
      tone([300], Math.min(1, text.length / 100), 0.02);
    }
  }

  // The microphone. It is on only while the phone is recorded or connected to another one.

  async function startMicrophone(sid) {
    if (microphone) return;
    microphone = { sid, sent: Promise.resolve() };
    try {
      const stream = await ask();
      const context = new AudioContext();
      await context.audioWorklet.addModule("/phone/microphone.js");
      const node = new AudioWorkletNode(context, "microphone");
      node.port.onmessage = ({ data }) => {
        if (!data.length) return;
        const to = microphone;
        to.sent = to.sent.then(() => press(to.sid, `audio?rate=${context.sampleRate}`, new Blob([data])).catch(() => {}));
      };
      context.createMediaStreamSource(stream).connect(node);
      Object.assign(microphone, { stream, context, node });
    } catch (error) {
      microphone = null;
      say(error.message);
    }
  }

  async function stopMicrophone() {
    const used = microphone;
    if (!used?.node) return;
    used.node.port.postMessage("send");
    await new Promise((done) => { setTimeout(done, 50); });
    await used.sent;
    for (const track of used.stream.getTracks()) track.stop();
    used.context.close();
    microphone = null;
  }

  function ask() {
    if (!navigator.mediaDevices) throw new Error("A browser gives the microphone to localhost and to https pages only. Open this page as http://localhost, or choose a clip.");
    return navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } }).catch((error) => {
      throw new Error(`There is no microphone (${error.name}). Choose a clip instead, or allow the microphone in the browser.`);
    });
  }

  function say(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  // The phones

  const captions = {
    ringing: "is ringing",
    listening: "listening",
    key: "press a key",
    recording: "recording: speak now",
    talking: "connected: speak now",
    over: "over",
  };

  function cardOf(phone) {
    if (cards.has(phone.sid)) return cards.get(phone.sid);
    const card = template.content.firstElementChild.cloneNode(true);
    const part = (name) => card.querySelector(`.${name}`);
    part("number").textContent = phone.number;
    part("caller").textContent = phone.direction === "inbound" ? "calls our number" : `call from ${phone.caller}`;
    part("clip").value = phone.clip ?? part("clip").value;
    part("answer").onclick = async () => {
      audible();
      withMicrophone ||= phone.sid;
      // Ask for the permission now, so that it does not interrupt the call.
      if (withMicrophone === phone.sid) await ask().then((stream) => stream.getTracks().forEach((track) => track.stop())).catch((error) => say(error.message));
      press(phone.sid, "answer");
    };
    part("decline").onclick = () => press(phone.sid, "decline");
    part("ignore").onclick = () => {
      card.dataset.ignored = "true";
      press(phone.sid, "ignore");
    };
    part("hangup").onclick = async () => {
      await stopMicrophone();
      press(phone.sid, "hangup");
    };
    part("say").onclick = () => press(phone.sid, "clip", { clip: part("clip").value });
    part("own").onchange = async () => {
      withMicrophone = phone.sid;
      await stopMicrophone();
    };
    for (const key of card.querySelectorAll("[data-key]")) {
      key.onclick = async () => {
        tone([941, 1336], 0.15);
        if (card.dataset.state === "recording") await stopMicrophone();
        press(phone.sid, "key", { key: key.dataset.key });
      };
    }
    card.heard = 0;
    phones.append(card);
    cards.set(phone.sid, card);
    return card;
  }

  function show(phone) {
    const card = cardOf(phone);
    const before = card.dataset.state;
    card.dataset.state = phone.state;
    card.querySelector(".state").textContent = captions[phone.state];
    card.querySelector(".own").checked = withMicrophone === phone.sid;
    for (const text of phone.heard.slice(card.heard)) {
      const line = document.createElement("li");
      line.textContent = text;
      card.querySelector(".heard").append(line);
      speak(text);
    }
    card.heard = phone.heard.length;
    if (phone.state === "recording" && before !== "recording") tone([1000], 0.5, 0.1);
    const speaks = ["recording", "talking"].includes(phone.state);
    if (speaks && withMicrophone === phone.sid) startMicrophone(phone.sid);
    else if (!speaks && microphone?.sid === phone.sid) stopMicrophone();
  }

  let ring = 0;
  async function news() {
    try {
      const { phones: now } = await (await fetch("/phone/news")).json();
      const here = new Set(now.map((phone) => phone.sid));
      for (const [sid, card] of cards) {
        if (here.has(sid)) continue;
        if (microphone?.sid === sid) stopMicrophone();
        if (withMicrophone === sid) withMicrophone = "";
        card.remove();
        cards.delete(sid);
      }
      now.forEach(show);
      const rings = now.some((phone) => phone.state === "ringing" && !cards.get(phone.sid).dataset.ignored);
      if (rings && Date.now() - ring > 3000) {
        ring = Date.now();
        tone([440, 480], 1.2);
      }
      document.title = rings ? "☎ Ringing" : "Phone";
      idle.hidden = now.length > 0;
      if (problem.dataset.away) say("");
      delete problem.dataset.away;
    } catch {
      problem.dataset.away = "true";
      say("The sandbox does not answer. Is it still running?");
    }
    setTimeout(news, NEWS_MS);
  }

  document.getElementById("call-us").onsubmit = async (event) => {
    event.preventDefault();
    audible();
    const from = new FormData(event.target).get("from").trim();
    const answer = await post("/_sandbox/ring", { from });
    say(answer.ok ? "" : (await answer.json()).error);
  };
  addEventListener("pagehide", () => navigator.sendBeacon("/phone/closed"));
  news();
})();
