// A transcript's page: the text and its audio in step.
(() => {
  "use strict";
  const LEAD_MS = 2000;
  // After a seek, the browser's position may differ by this much.
  const NEAR_MS = 50;
  const byId = (id) => document.getElementById(id);
  const desk = document.querySelector("#reading .desk");
  const audio = desk.querySelector("audio");
  const wave = desk.querySelector(".wave");
  const [width, height] = [wave.viewBox.baseVal.width, wave.viewBox.baseVal.height];
  const line = wave.querySelector(".now");
  const text = byId("text");
  const count = byId("count");
  const words = [...text.querySelectorAll(".said > span")];
  const numbers = new Map(words.map((word, number) => [word, number]));
  const { starts, sure } = JSON.parse(byId("words").textContent);
  // Two channels may speak at once, so the text's order is not always that of time.
  const inTime = [...starts.keys()].sort((a, b) => starts[a] - starts[b] || a - b);
  let doubtful = [];
  let target = -1;
  let spoken = -1;
  let drawn = null;
  let stop = 0;
  let frame = 0;

  const now = () => audio.currentTime * 1000;
  const length = () => (Number.isFinite(audio.duration) ? audio.duration : Number(wave.dataset.seconds)) * 1000;
  const clock = (ms) => {
    const [h, m, s] = [ms / 3600000, (ms / 60000) % 60, (ms / 1000) % 60].map(Math.floor);
    return (h ? `${h}:${String(m).padStart(2, "0")}` : m) + `:${String(s).padStart(2, "0")}`;
  };

  // The index of the word that is spoken now or was spoken last; -1 before the first.
  function wordAt(ms) {
    let [low, high] = [0, inTime.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[inTime[middle]] <= ms + 1) low = middle + 1;
      else high = middle;
    }
    return low ? inTime[low - 1] : -1;
  }

  function inSight(word) {
    const { top, bottom } = word.getBoundingClientRect();
    const stays = getComputedStyle(desk).position === "sticky";
    return top >= (stays ? desk.getBoundingClientRect().bottom : 0) && bottom <= innerHeight;
  }

  function follow() {
    const at = wordAt(now());
    const across = length() ? ((now() / length()) * width).toFixed(1) : 0;
    // Only if it has moved: each change repaints the whole picture.
    if (across !== drawn) line.setAttribute("d", `M${across} 0V${height}`);
    drawn = across;
    if (at === spoken) return;
    // Do not scroll if the reader has scrolled away.
    const along = !audio.paused && spoken >= 0 && inSight(words[spoken]);
    words[spoken]?.classList.remove("spoken");
    words[at]?.classList.add("spoken");
    if (along && at >= 0 && !inSight(words[at])) words[at].scrollIntoView({ block: "center" });
    spoken = at;
  }

  function run() {
    cancelAnimationFrame(frame);
    follow();
    if (!audio.paused) frame = requestAnimationFrame(run);
  }

  function play() {
    // Refused, or overtaken by a pause: the player shows which.
    audio.play().catch(() => {});
  }

  function playFrom(ms) {
    audio.currentTime = Math.max(0, ms) / 1000;
    play();
    follow();
  }

  // One word can be reached with Tab, the others from it with the arrows.
  function choose(number, focus = true) {
    words[stop].removeAttribute("tabindex");
    words[stop].removeAttribute("role");
    stop = number;
    words[stop].tabIndex = 0;
    words[stop].setAttribute("role", "button");
    if (!focus) return;
    words[stop].focus({ preventScroll: true });
    if (!inSight(words[stop])) words[stop].scrollIntoView({ block: "center" });
  }

  function mark() {
    const below = Number(byId("below").value);
    byId("below-value").textContent = below.toFixed(2);
    for (const number of doubtful) words[number].classList.remove("doubtful");
    doubtful = [...sure.keys()].filter((number) => sure[number] !== null && sure[number] < below);
    for (const number of doubtful) words[number].classList.add("doubtful");
    place();
    count.textContent = `${doubtful.length} to check`;
    wave.setAttribute("aria-label", `Waveform of the recording, ${doubtful.length} places to check`);
  }

  function place() {
    // Below the waveform, not across it: three hours may have a thousand of them.
    const places = doubtful.map((number) => `M${Math.round((starts[number] / length()) * width)} ${height * 0.8}V${height}`);
    desk.querySelector(".checks").setAttribute("d", length() ? [...new Set(places)].join("") : "");
  }

  // The doubtful word that is being played, or else the word that is spoken now.
  function here() {
    const lead = target < 0 ? 0 : Math.max(0, starts[target] - LEAD_MS);
    const onTheWay = target >= 0 && now() >= lead - NEAR_MS && now() <= starts[target] + NEAR_MS;
    if (onTheWay) return target;
    return now() === 0 ? -1 : wordAt(now());
  }

  function check(forward) {
    const from = here();
    const next = forward
      ? doubtful.find((number) => number > from)
      : doubtful.findLast((number) => number < from);
    if (next === undefined) {
      count.textContent = `${doubtful.length} to check, none ${forward ? "after" : "before"} this place`;
      return;
    }
    target = next;
    choose(target);
    playFrom(starts[target] - LEAD_MS);
    count.textContent = `${doubtful.indexOf(target) + 1} of ${doubtful.length} to check: “${words[target].textContent}”, ${sure[target].toFixed(2)}, at ${clock(starts[target])}`;
  }

  const toggle = () => (audio.paused ? play() : audio.pause());
  const actions = { " ": toggle, n: () => check(true), p: () => check(false) };
  const typing = "select, textarea, [contenteditable], input:not([type=range], [type=checkbox])";
  const hasOwnSpace = "button, summary, audio, input[type=checkbox]";

  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || !byId("keys").checked || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(typing)) return;
    if (event.key === " " && (event.repeat || event.target.closest(hasOwnSpace))) return;
    event.preventDefault();
    action();
  });

  text.addEventListener("keydown", (event) => {
    const number = numbers.get(event.target);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (number === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter") playFrom(starts[number]);
    else if (step && words[number + step]) choose(number + step);
    else return;
    event.preventDefault();
  });

  text.addEventListener("click", (event) => {
    const number = numbers.get(event.target);
    // Selected text may be about to be copied.
    if (number === undefined || !getSelection().isCollapsed) return;
    choose(number);
    playFrom(starts[number]);
  });

  wave.addEventListener("click", (event) => {
    const { left, width: wide } = wave.getBoundingClientRect();
    audio.currentTime = (length() / 1000) * Math.min(1, Math.max(0, (event.clientX - left) / wide));
    follow();
  });

  byId("previous").addEventListener("click", () => check(false));
  byId("next").addEventListener("click", () => check(true));
  byId("below").addEventListener("input", mark);
  byId("speed").addEventListener("change", (event) => {
    // The default, too: loading the audio goes back to it.
    audio.defaultPlaybackRate = audio.playbackRate = Number(event.target.value);
  });
  audio.addEventListener("error", () => { count.textContent = "The audio cannot be played."; });
  audio.addEventListener("durationchange", place);
  for (const moment of ["play", "pause", "seeked", "timeupdate"]) audio.addEventListener(moment, run);

  // Single-letter keys can be turned off: speech input may type them by accident.
  try {
    byId("keys").checked = localStorage.getItem("djtranscribe.keys") !== "off";
    byId("keys").addEventListener("change", (event) => {
      localStorage.setItem("djtranscribe.keys", event.target.checked ? "on" : "off");
    });
  } catch { /* A browser that keeps nothing. */ }

  choose(0, false);
  mark();

  // A search result links here with #t=12.5, in seconds. If the browser requires a
  // click before it plays, the position is set nevertheless.
  const [, wanted] = location.hash.match(/^#t=(\d+(?:\.\d+)?)$/) ?? [];
  if (wanted) {
    playFrom(Number(wanted) * 1000);
    const at = wordAt(Number(wanted) * 1000);
    if (at >= 0) words[at].scrollIntoView({ block: "center" });
  }
  for (const part of document.querySelectorAll("#reading [hidden]")) part.hidden = false;
})();
