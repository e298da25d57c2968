// Keeps a transcript's text and its audio in sync, on the call's page and in admin.
(() => {
  "use strict";

  // The call's page may get its transcript later, by polling. Admin's page has it at once.
  function startIfReady() {
    const text = document.getElementById("text");
    if (text && document.getElementById("words") && !text.viewer) start();
  }

  function start() {
    const LEAD_MS = 2000;
    const BACK_MS = 3000;
    // After a seek, the audio's position may differ from the wanted one by this much.
    const NEAR_MS = 50;
    const byId = (id) => document.getElementById(id);
    const player = document.querySelector("#viewer .player");
    // Without a recording there is an empty player, which plays nothing.
    const audio = player.querySelector("audio") ?? document.createElement("audio");
    const wave = player.querySelector(".wave");
    const { width, height } = wave?.viewBox.baseVal ?? {};
    const line = wave?.querySelector(".now");
    const text = byId("text");
    const count = byId("count");
    const turns = JSON.parse(byId("words").textContent);
    const turnElements = [...text.querySelectorAll(".turn-text")];
    // `words` (elements), `starts` (ms), `sure` (confidence) and `ranges` (the original
    // words that a word stands for) have an item for each word, in the order of the text.
    // `inTime` has the indexes of all words, in order of time. `doubtful` has the indexes
    // of the doubtful words.
    let [words, starts, sure, ranges, inTime, doubtful] = [[], [], [], [], [], []];
    const numbers = new WeakMap();
    let below = 0;
    // The place of the word that playDoubtful() played last. null: the user has gone elsewhere.
    let target = null;
    // Where this page moved the audio last, in ms.
    let soughtMs = 0;
    let spoken = -1;
    let drawn = null;
    let tabStop = 0;
    let frame = 0;

    const positionMs = () => audio.currentTime * 1000;
    const durationMs = () => (Number.isFinite(audio.duration) ? audio.duration : Number(wave?.dataset.seconds ?? 0)) * 1000;
    const clock = (ms) => {
      const [h, m, s] = [ms / 3600000, (ms / 60000) % 60, (ms / 1000) % 60].map(Math.floor);
      return (h ? `${h}:${String(m).padStart(2, "0")}` : m) + `:${String(s).padStart(2, "0")}`;
    };

    function collectWords() {
      words = turnElements.flatMap((turn) => [...turn.querySelectorAll(":scope > span")]);
      words.forEach((word, number) => numbers.set(word, number));
      starts = turns.flatMap((turn) => turn.starts);
      sure = turns.flatMap((turn) => turn.sure);
      ranges = turns.flatMap(rangesOf);
      inTime = wordsByTime();
    }

    // Two people may speak at once. So the words in the text are not always in order of time.
    function wordsByTime() {
      return [...starts.keys()].sort((a, b) => starts[a] - starts[b] || a - b);
    }

    function rangesOf({ begins, starts: here, corrections }) {
      const found = [];
      let original = begins;
      for (const correction of corrections) {
        while (found.length < correction.at) found.push({ first: original, last: ++original });
        for (let n = 0; n < correction.count; n += 1) found.push(correction);
        original = correction.last;
      }
      while (found.length < here.length) found.push({ first: original, last: ++original });
      return found;
    }

    // Mark the words of a turn that somebody corrected or checked, and the word before removed
    // words. The tooltips show the original text and who changed it.
    function markCorrections(number) {
      const spans = [...turnElements[number].querySelectorAll(":scope > span")];
      for (const { at, count: many, original, who, when } of turns[number].corrections) {
        const now = spans.slice(at, at + many).map((span) => span.textContent).join(" ");
        const about = now === original ? `Checked by ${who}, ${when}.` : `Was “${original}”. Corrected by ${who}, ${when}.`;
        const marked = many ? spans.slice(at, at + many) : spans.slice(Math.max(0, at - 1), Math.max(1, at));
        for (const span of marked) {
          span.classList.add(many ? (now === original ? "checked" : "corrected") : "removed");
          span.title = many ? about : `Removed: “${original}”, by ${who}, ${when}.`;
        }
      }
    }

    // Replace the turns that a correction has changed, and leave all others alone: a long
    // transcript has tens of thousands of words.
    function replaceTurns(changed) {
      const chosen = ranges[tabStop]?.first ?? 0;
      let isMoved = false;
      for (const turn of changed) {
        const number = turns.findIndex(({ first }) => first === turn.first);
        if (number < 0) continue;
        isMoved ||= String(turn.starts) !== String(turns[number].starts);
        replaceTurn(number, turn);
      }
      if (isMoved) inTime = wordsByTime();
      [spoken, tabStop] = [-1, -1];
      selectWord(wordIndexOf(chosen), false);
      findDoubtful();
      for (const turn of changed) {
        const number = turns.findIndex(({ first }) => first === turn.first);
        for (const span of turnElements[number]?.children ?? []) span.classList.toggle("doubtful", isDoubtful(numbers.get(span)));
      }
      highlightSpoken();
    }

    function replaceTurn(number, turn) {
      const at = turns.slice(0, number).reduce((sum, each) => sum + each.starts.length, 0);
      const before = turns[number].starts.length;
      turnElements[number].innerHTML = turn.html;
      turns[number] = turn;
      const spans = [...turnElements[number].children];
      words.splice(at, before, ...spans);
      starts.splice(at, before, ...turn.starts);
      sure.splice(at, before, ...turn.sure);
      ranges.splice(at, before, ...rangesOf(turn));
      const end = spans.length === before ? at + before : words.length;
      for (let n = at; n < end; n += 1) numbers.set(words[n], n);
      markCorrections(number);
    }

    // The index of the first word that stands for an original word. If the original word was
    // removed: the index of the next word, or of the last word if there is no next one.
    function wordIndexOf(original) {
      let [low, high] = [0, ranges.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ranges[middle].last <= original) low = middle + 1;
        else high = middle;
      }
      return Math.min(low, ranges.length - 1);
    }

    // The index of the word that is spoken now or was spoken last; -1 before the first.
    function wordIndexAt(ms) {
      let [low, high] = [0, inTime.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (starts[inTime[middle]] <= ms + 1) low = middle + 1;
        else high = middle;
      }
      return low ? inTime[low - 1] : -1;
    }

    function isInView(word) {
      const { top, bottom } = word.getBoundingClientRect();
      const stays = getComputedStyle(player).position === "sticky";
      return top >= (stays ? player.getBoundingClientRect().bottom : 0) && bottom <= innerHeight;
    }

    function highlightSpoken() {
      const at = wordIndexAt(positionMs());
      const across = durationMs() ? ((positionMs() / durationMs()) * width).toFixed(1) : 0;
      // Draw the line only if it has moved: each change repaints the whole waveform.
      if (across !== drawn) line?.setAttribute("d", `M${across} 0V${height}`);
      drawn = across;
      if (at === spoken) return;
      // Do not scroll if the reader has scrolled away.
      const along = !audio.paused && spoken >= 0 && isInView(words[spoken]);
      words[spoken]?.classList.remove("spoken");
      words[at]?.classList.add("spoken");
      if (along && at >= 0 && !isInView(words[at])) words[at].scrollIntoView({ block: "center" });
      spoken = at;
    }

    function run() {
      cancelAnimationFrame(frame);
      highlightSpoken();
      if (!audio.paused) frame = requestAnimationFrame(run);
    }

    function play() {
      // play() fails if the browser refuses it or a pause interrupts it. The player then
      // shows that it is paused.
      audio.play().catch(() => {});
    }

    function seek(ms) {
      soughtMs = Math.max(0, ms);
      audio.currentTime = soughtMs / 1000;
      highlightSpoken();
    }

    function playFrom(ms) {
      target = null;
      seek(ms);
      play();
    }

    // Tab reaches only one word. From this word, the arrow keys reach the others.
    function selectWord(number, focus = true, scroll = true) {
      words[tabStop]?.removeAttribute("tabindex");
      words[tabStop]?.removeAttribute("role");
      tabStop = number;
      if (!words[tabStop]) return;
      words[tabStop].tabIndex = 0;
      words[tabStop].setAttribute("role", "button");
      if (!focus) return;
      text.dispatchEvent(new Event("viewer:select"));
      words[tabStop].focus({ preventScroll: true });
      if (scroll && !isInView(words[tabStop])) words[tabStop].scrollIntoView({ block: "center" });
    }

    function markDoubtful() {
      for (const number of doubtful) words[number].classList.remove("doubtful");
      findDoubtful();
      for (const number of doubtful) words[number].classList.add("doubtful");
    }

    const isDoubtful = (number) => sure[number] !== null && sure[number] < below;

    function findDoubtful() {
      below = Number(byId("below").value);
      byId("below-value").textContent = below.toFixed(2);
      doubtful = [...sure.keys()].filter(isDoubtful);
      drawDoubtful();
      let checked = 0;
      for (const { corrections } of turns) for (const { doubts } of corrections) {
        checked += doubts.filter((each) => each !== null && each < below).length;
      }
      if (byId("checked")) byId("checked").textContent = checked + doubtful.length ? `${checked} of ${checked + doubtful.length} checked` : "";
      count.textContent = `${doubtful.length} to check`;
      wave?.setAttribute("aria-label", `Waveform of the recording, ${doubtful.length} places to check`);
    }

    function drawDoubtful() {
      // Short marks at the bottom: three hours of audio may have a thousand of them, which
      // must not hide the waveform.
      const places = doubtful.map((number) => `M${Math.round((starts[number] / durationMs()) * width)} ${height * 0.8}V${height}`);
      wave?.querySelector(".checks").setAttribute("d", durationMs() ? [...new Set(places)].join("") : "");
    }

    // A word's place stays the same when other words are corrected or removed: its original
    // word, and its number among the words that stand for this original word.
    const placeOf = (number) => ({ first: ranges[number].first, nth: number - wordIndexOf(ranges[number].first) });

    // The place from which `n` and `p` go on: the word that they played last, or else the
    // word that is spoken now.
    function currentPlace() {
      if (target) return target;
      const at = positionMs() === 0 ? -1 : wordIndexAt(positionMs());
      return at < 0 ? { first: -1, nth: 0 } : placeOf(at);
    }

    function playDoubtful(forward) {
      const { first, nth } = currentPlace();
      // Below 0: the word is before this place. Above 0: it is after it.
      const distance = (number) => ranges[number].first - first || number - wordIndexOf(first) - nth;
      const next = forward
        ? doubtful.find((number) => distance(number) > 0)
        : doubtful.findLast((number) => distance(number) < 0);
      if (next === undefined) {
        count.textContent = `${doubtful.length} to check, none ${forward ? "after" : "before"} this place`;
        return;
      }
      selectWord(next);
      playFrom(starts[next] - LEAD_MS);
      target = placeOf(next);
      count.textContent = `${doubtful.indexOf(next) + 1} of ${doubtful.length} to check: “${words[next].textContent}”, ${sure[next].toFixed(2)}, at ${clock(starts[next])}`;
    }

    const toggle = () => (audio.paused ? play() : audio.pause());

    // This browser remembers speed, volume, and the boxes for silence and keys.
    const stored = (name) => { try { return localStorage.getItem(`djtranscribe.${name}`); } catch { return null; } };
    const store = (name, value) => { try { localStorage.setItem(`djtranscribe.${name}`, value); } catch { /* This browser stores nothing. */ } };
    const speed = byId("speed");
    const setSpeed = () => {
      // Set the default speed, too: when the audio loads, the browser goes back to it.
      audio.defaultPlaybackRate = audio.playbackRate = Number(speed.value);
      store("speed", speed.value);
    };
    const changeSpeed = (step) => {
      speed.selectedIndex = Math.min(speed.length - 1, Math.max(0, speed.selectedIndex + step));
      setSpeed();
      count.textContent = `Speed ${speed.selectedOptions[0].textContent}`;
    };

    const silences = JSON.parse(byId("silences").textContent);
    function skipSilence() {
      if (!byId("skip-silence").checked || audio.paused) return;
      const ms = positionMs();
      const silence = silences.find(([from, to]) => ms >= from + NEAR_MS && ms < to - NEAR_MS);
      if (silence) seek(silence[1]);
    }

    // Play one channel alone. The audio goes through the splitter only after the user has
    // chosen a channel.
    const balance = byId("balance");
    let sides = null;
    function applyBalance() {
      if (!sides) {
        const context = new AudioContext();
        const splitter = context.createChannelSplitter(2);
        context.createMediaElementSource(audio).connect(splitter);
        sides = ["left", "right"].map((side, channel) => {
          const gain = context.createGain();
          splitter.connect(gain, channel);
          gain.connect(context.destination);
          return { side, gain, context };
        });
      }
      for (const { side, gain } of sides) gain.gain.value = balance.value === "both" || balance.value === side ? 1 : 0;
      sides[0].context.resume();
    }
    balance?.addEventListener("change", applyBalance);

    // Copy a link that opens this page at the selected word, or at the word spoken now.
    async function copyLink() {
      const at = audio.paused && document.activeElement === words[tabStop] ? starts[tabStop] : starts[spoken] ?? starts[tabStop] ?? 0;
      // To the millisecond: a time rounded down to seconds may lead to an earlier word.
      const link = `${location.origin}${location.pathname}#t=${Math.round(at) / 1000}`;
      try {
        await navigator.clipboard.writeText(link);
        count.textContent = `The link to ${clock(at)} is copied.`;
      } catch {
        // The clipboard needs https and permission: show the link instead.
        history.replaceState(null, "", link);
        count.textContent = `The address of this page now leads to ${clock(at)}. Copy it.`;
      }
    }

    const showKeys = () => byId("key-list").showModal();
    const actions = {
      " ": toggle,
      n: () => playDoubtful(true),
      p: () => playDoubtful(false),
      j: () => seek(positionMs() - BACK_MS),
      "[": () => changeSpeed(-1),
      "]": () => changeSpeed(1),
      l: copyLink,
      "?": showKeys,
      "؟": showKeys,
    };
    // The character of a shortcut. Layouts without Latin letters have the shortcut's letter on
    // the same key as an English keyboard.
    const shortcutOf = ({ key = "", code = "" }) => {
      const places = { BracketLeft: "[", BracketRight: "]" };
      const isForeign = /^(?!\p{Script=Latin})\p{L}$/u.test(key);
      return ((isForeign && (code.match(/^Key(.)$/)?.[1] ?? places[code])) || key).toLowerCase();
    };
    // How many words an arrow key moves forward: 1, -1, or 0 for other keys.
    const stepOf = ({ key, target: word }) => {
      const right = getComputedStyle(word).direction === "rtl" ? -1 : 1;
      return { ArrowLeft: -right, ArrowRight: right }[key] ?? 0;
    };
    const typing = "select, textarea, [contenteditable], input:not([type=range], [type=checkbox])";
    const hasOwnSpace = "button, summary, audio, input[type=checkbox]";

    document.addEventListener("keydown", (event) => {
      const action = actions[shortcutOf(event)];
      if (!action || !byId("keys").checked || event.defaultPrevented || event.isComposing) return;
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(`dialog, ${typing}`)) return;
      if (event.key === " " && (event.repeat || event.target.closest(hasOwnSpace))) return;
      event.preventDefault();
      action();
    });

    text.addEventListener("keydown", (event) => {
      const number = numbers.get(event.target);
      const step = stepOf(event);
      if (number === undefined || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "Enter") playFrom(starts[number]);
      else if (step && words[number + step]) selectWord(number + step);
      else return;
      event.preventDefault();
    });

    text.addEventListener("click", (event) => {
      if (event.shiftKey) return;
      const number = numbers.get(event.target);
      // If text is selected, do not play: the user may want to copy it.
      if (number === undefined || !getSelection().isCollapsed) return;
      // Do not scroll: the clicked word is in sight. If it moved, the second click of a double
      // click would miss it.
      selectWord(number, true, false);
      playFrom(starts[number]);
    });

    // Show a corrected word's tooltip as text, too: the keyboard cannot open tooltips.
    text.addEventListener("focusin", ({ target: word }) => {
      if (word.title) count.textContent = word.title;
    });

    wave?.addEventListener("click", (event) => {
      const { left, width: wide } = wave.getBoundingClientRect();
      target = null;
      seek(durationMs() * Math.min(1, Math.max(0, (event.clientX - left) / wide)));
    });

    byId("previous").addEventListener("click", () => playDoubtful(false));
    byId("next").addEventListener("click", () => playDoubtful(true));
    byId("below").addEventListener("input", markDoubtful);
    byId("copy-moment").addEventListener("click", copyLink);
    byId("show-keys").addEventListener("click", showKeys);
    speed.addEventListener("change", setSpeed);
    if ([...speed.options].some(({ value }) => value === stored("speed"))) speed.value = stored("speed");
    setSpeed();
    byId("skip-silence").checked = stored("skip-silence") === "on";
    byId("skip-silence").addEventListener("change", ({ target }) => store("skip-silence", target.checked ? "on" : "off"));
    const volume = Number(stored("volume") ?? 1);
    if (volume >= 0 && volume <= 1) audio.volume = volume;
    audio.addEventListener("volumechange", () => store("volume", audio.volume));
    audio.addEventListener("timeupdate", skipSilence);
    // The user moved the audio with the browser's own controls.
    audio.addEventListener("seeking", () => { if (Math.abs(positionMs() - soughtMs) > NEAR_MS) target = null; });
    audio.addEventListener("error", () => { count.textContent = "The audio cannot be played."; });
    audio.addEventListener("durationchange", drawDoubtful);
    for (const moment of ["play", "pause", "seeked", "timeupdate"]) audio.addEventListener(moment, run);

    // Single-letter keys can be turned off: speech input may type them by accident.
    byId("keys").checked = stored("keys") !== "off";
    byId("keys").addEventListener("change", ({ target }) => store("keys", target.checked ? "on" : "off"));

    collectWords();
    turnElements.forEach((_, number) => { if (turns[number].corrections.length) markCorrections(number); });
    selectWord(0, false);
    markDoubtful();
    // review.js uses these.
    text.viewer = {
      replaceTurns,
      selectWord,
      wordIndexOf,
      shortcutOf,
      stepOf,
      keysOn: () => byId("keys").checked,
      get tabStop() { return tabStop; },
      get words() { return words; },
      get ranges() { return ranges; },
      numberOf: (span) => numbers.get(span),
    };

    // A search result links here with #t=12.5, in seconds. If the browser requires a
    // click before it plays, the position is set nevertheless.
    function goToMoment() {
      const [, wanted] = location.hash.match(/^#t=(\d+(?:\.\d+)?)$/) ?? [];
      if (!wanted) return;
      playFrom(Number(wanted) * 1000);
      const at = wordIndexAt(Number(wanted) * 1000);
      if (at >= 0) selectWord(at);
      words[at]?.scrollIntoView({ block: "center" });
    }
    goToMoment();
    addEventListener("hashchange", goToMoment);
    for (const part of document.querySelectorAll("#viewer [hidden]")) part.hidden = false;
    document.dispatchEvent(new Event("viewer:ready"));
  }

  startIfReady();
  document.addEventListener("htmx:afterSettle", startIfReady);
})();
