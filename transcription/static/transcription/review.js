// Corrections on a transcript's page. Works on the words that the viewer knows.
import { selectWord, tabStop } from "./viewer/focus.js";
import { shortcutOf, stepOf } from "./viewer/keys.js";
import { keysOn } from "./viewer/settings.js";
import { replaceTurns } from "./viewer/turns.js";
import { numberOf, ranges, wordIndexOf, words } from "./viewer/words.js";

(() => {
  "use strict";

  function start() {
    if (!document.getElementById("review")) return;
    const RETRY_MS = 5000;
    const byId = (id) => document.getElementById(id);
    const text = byId("text");
    const review = byId("review");
    const saved = byId("saved");
    const viewer = { replaceTurns, selectWord, wordIndexOf, shortcutOf, stepOf, keysOn, words, ranges, numberOf, get tabStop() { return tabStop; } };
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    // With the user: another account in this browser must not send these drafts as its own.
    const storageKey = `djtranscribe.drafts.${review.dataset.user}.${review.dataset.uuid}.`;
    // The revision that this page shows.
    let revision = Number(review.dataset.revision);
    // The original word where a selection with Shift began. The selection's other end is
    // viewer.tabStop. null: no selection.
    let anchor = null;
    // The open input: { input, from, to, range, now, spans, draft }. `from` and `to` are
    // indexes in viewer.words, `range` has indexes of original words. `now` is the text of
    // these words. `draft`: see below.
    let edit = null;
    // Requests that the server has not answered, the oldest first: { url, body, sentence,
    // save, restore, onDone, isStep }. `sentence` is shown when it is done. Only a save has
    // `save`, and perhaps `restore`, which shows the text before the save again. `isStep`:
    // scroll to the words that change.
    let waiting = [];
    // Drafts that the server refused. The page lists them.
    let refused = [];
    let isSending = false;
    let isOffline = false;
    let retry = 0;

    const showStatus = (sentence, isBad = false) => {
      saved.textContent = sentence;
      saved.classList.toggle("bad", isBad);
    };
    // Not crypto.randomUUID: it exists only with https and on localhost.
    const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    // Indexes of the first and last selected word. If none is selected, both are
    // viewer.tabStop. isPointer: prefer words selected with mouse or fingers (the browser's
    // selection). Keys use only words selected with Shift, because the browser's selection
    // may be out of sight.
    const selected = (isPointer) => {
      const { isCollapsed, anchorNode, focusNode } = getSelection();
      const marked = [anchorNode, focusNode].map((node) => viewer.numberOf(node?.parentElement));
      const isMarked = isPointer && !isCollapsed && !marked.includes(undefined);
      const [one, other] = isMarked ? marked : [viewer.tabStop, anchor === null ? viewer.tabStop : viewer.wordIndexOf(anchor)];
      return [Math.min(one, other), Math.max(one, other)];
    };

    // The range of the words `from` to `to`, extended so that it does not cut a correction.
    function expandToCorrections(from, to) {
      let { first } = viewer.ranges[from];
      let { last } = viewer.ranges[to];
      while (from > 0 && viewer.ranges[from - 1].last > first) from -= 1;
      while (to + 1 < viewer.words.length && viewer.ranges[to + 1].first < last) to += 1;
      ({ first } = viewer.ranges[from]);
      ({ last } = viewer.ranges[to]);
      return { from, to, range: { first, last } };
    }

    function textOf(from, to) {
      return viewer.words.slice(from, to + 1)
        .map((word, n) => (n && word.previousSibling?.nodeType === Node.TEXT_NODE ? " " : "") + word.textContent)
        .join("");
    }

    function showSelection() {
      for (const word of text.querySelectorAll(".chosen")) word.classList.remove("chosen");
      const [from, to] = selected();
      if (from < to) for (const word of viewer.words.slice(from, to + 1)) word.classList.add("chosen");
    }

    function clearSelection() {
      anchor = null;
      getSelection().removeAllRanges();
      showSelection();
    }

    // Return the selected words and clear the selection: the next action must not include
    // them again.
    function takeSelection(isPointer) {
      const range = selected(isPointer);
      clearSelection();
      return range;
    }

    function extendSelection(number) {
      const start = anchor ?? viewer.ranges[viewer.tabStop].first;
      // This clears the selection.
      viewer.selectWord(number);
      anchor = start;
      showSelection();
    }

    // Drafts: typed text that is not saved yet survives a reload of the page. Each draft has
    // its own entry in localStorage, so that two tabs do not overwrite each other's drafts:
    // { key, at, state, first, last, before, typed, isInsertion, seen, detail, isConflict }.
    // `state` is "open", "waiting" or "refused". `typed` replaces the text `before` of the
    // original words from `first` to `last`, or follows it if `isInsertion`. `seen` is the
    // revision that the user saw. `detail` says why the server refused it. `isConflict`:
    // somebody else has changed the words.

    function store(draft) {
      try { localStorage.setItem(storageKey + draft.key, JSON.stringify(draft)); } catch { /* This browser stores nothing. */ }
    }

    function forget({ key }) {
      try { localStorage.removeItem(storageKey + key); } catch { /* This browser stores nothing. */ }
    }

    function storedDrafts() {
      try {
        const names = Object.keys(localStorage).filter((name) => name.startsWith(storageKey));
        return names.map((name) => JSON.parse(localStorage.getItem(name))).sort((one, other) => one.at - other.at);
      } catch { return []; }
    }

    const openDraft = () => ({ ...edit.draft, ...edit.range, state: "open", before: edit.now, typed: edit.input.value });
    const wholeText = ({ before, typed, isInsertion }) => isInsertion ? `${before}${typed && " "}${typed}` : typed;

    function restoreDrafts() {
      for (const draft of storedDrafts()) {
        if (draft.state === "waiting") waiting.push(requestFor(draft));
        else if (draft.state === "refused") listRefused(draft);
        else if (edit) listRefused({ ...draft, detail: "Not saved yet." });
        else {
          showStatus("Your unsaved text was restored. Press Enter to save it.");
          reopenInput(draft);
        }
      }
      sendQueue();
    }

    // Refused drafts

    function listRefused(draft) {
      const listed = { ...draft, state: "refused", typed: wholeText(draft), isInsertion: false };
      store(listed);
      refused.push(listed);
      showRefused();
    }

    function showRefused() {
      byId("refused").replaceChildren(...refused.map((draft) => {
        const item = document.createElement("li");
        const change = draft.typed ? `“${draft.before}” → “${draft.typed}”` : `Remove “${draft.before}”`;
        const actions = { Edit: reopenInput, ...(draft.isConflict && { "Use mine": useMine }), Discard: discard };
        item.append(`${change}. ${draft.detail}`);
        for (const [name, act] of Object.entries(actions)) {
          const button = document.createElement("button");
          button.type = "button";
          button.textContent = name;
          button.addEventListener("click", () => {
            refused = refused.filter((each) => each !== draft);
            showRefused();
            act(draft);
          });
          item.append(" ", button);
        }
        return item;
      }));
    }

    function useMine(draft) {
      queueSave(draft);
      discard(draft);
    }

    function discard(draft) {
      forget(draft);
      if (viewer.words.length) viewer.selectWord(viewer.wordIndexOf(draft.first));
    }

    // The input

    function reopenInput(draft) {
      const from = viewer.wordIndexOf(draft.first);
      let to = viewer.wordIndexOf(draft.last - 1);
      // If somebody removed some of the words, these are the indexes of the next words.
      if (viewer.ranges[to]?.first >= draft.last) to -= 1;
      if (viewer.ranges[to]?.last > draft.first && from <= to) openInput(from, to, draft);
      else handleRefusal({ ...draft, seen: revision, isConflict: true, detail: "Somebody removed these words." });
    }

    function openInput(from, to, { typed = null, isInsertion = false, ...more } = {}) {
      if (edit) closeInput(true);
      // Somebody may have removed all words.
      if (!viewer.words.length) return;
      const all = expandToCorrections(from, to);
      const input = document.createElement("input");
      const now = textOf(all.from, all.to);
      input.type = "text";
      input.maxLength = 5000;
      input.autocomplete = "off";
      input.spellcheck = false;
      input.value = typed ?? (isInsertion ? "" : now);
      input.setAttribute("aria-label", isInsertion ? `Insert after “${now}”` : `Correct “${now}”`);
      const fit = () => { input.size = Math.max(4, input.value.length + 1); };
      fit();
      input.addEventListener("input", () => { fit(); store(openDraft()); });
      const spans = viewer.words.slice(all.from, all.to + 1);
      if (isInsertion) spans.at(-1).after(input);
      else {
        spans[0].before(input);
        for (const span of spans) span.hidden = true;
      }
      edit = { ...all, input, now, spans, draft: { key: newKey(), at: Date.now(), seen: revision, ...more, isInsertion } };
      if (typed !== null) store(openDraft());
      input.focus({ preventScroll: true });
      input.select();
    }

    function closeInput(isSaved) {
      const { input, now, spans } = edit;
      const draft = { ...openDraft(), typed: input.value.trim().replace(/\s+/g, " ") };
      const typed = wholeText(draft);
      edit = null;
      input.remove();
      for (const span of spans) span.hidden = false;
      if (isSaved && typed !== now) {
        // If an earlier save is pending, its text may be refused, too.
        const text = spans[0].dataset.saved ??= spans[0].textContent;
        spans[0].textContent = typed || "…";
        spans[0].classList.add("pending");
        for (const span of spans.slice(1)) span.hidden = true;
        queueSave({ ...draft, typed }, () => {
          spans[0].textContent = text;
          spans[0].classList.remove("pending");
          for (const span of spans) span.hidden = false;
        });
      }
      if (!isSaved && draft.detail) listRefused(draft);
      else forget(draft);
    }

    function queueSave({ first, last, before, typed, seen = revision }, restore) {
      const save = { key: newKey(), at: Date.now(), state: "waiting", first, last, before, typed, seen };
      store(save);
      queue(requestFor(save, restore));
    }

    const requestFor = (save, restore) => ({
      save,
      restore,
      url: review.dataset.correct,
      body: { revision: save.seen, key: save.key, changes: [{ first: save.first, last: save.last, after: save.typed }] },
      sentence: "Saved.",
    });

    // The server

    async function post(url, body) {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify(body),
      });
      const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
      if (answer.redirected || !isJson) throw new Error("not an answer of this site");
      return { status: answer.status, ...(await answer.json()) };
    }

    function showAnswer(answer, isStep) {
      if (answer.revision !== undefined) revision = answer.revision;
      if (answer.reload) location.reload();
      if (!answer.turns?.length) return;
      // Close the open input while turns are replaced, and open it again afterwards.
      const again = edit && { ...openDraft(), caret: edit.input.selectionStart };
      const hadFocus = text.contains(document.activeElement);
      if (edit) {
        for (const span of edit.spans) span.hidden = false;
        edit.input.remove();
        edit = null;
      }
      const shown = isStep ? viewer.words.map((word) => word.textContent) : [];
      viewer.replaceTurns(answer.turns);
      showSelection();
      const changed = isStep ? viewer.words.findIndex((word, number) => word.textContent !== shown[number]) : -1;
      if (changed >= 0) {
        viewer.selectWord(changed, false);
        viewer.words[changed].scrollIntoView({ block: "nearest" });
      }
      if (again) {
        reopenInput(again);
        edit?.input.setSelectionRange(again.caret, again.caret);
      } else if (hadFocus) viewer.words[viewer.tabStop]?.focus({ preventScroll: true });
      if (byId("history").open) loadHistory();
    }

    function queue(request) {
      waiting.push(request);
      sendQueue();
    }

    async function sendQueue() {
      if (isSending) return;
      isSending = true;
      let isRefused = false;
      clearTimeout(retry);
      while (waiting.length) {
        const { url, body, sentence, save, restore, onDone, isStep } = waiting[0];
        let answer;
        try {
          answer = await post(url, body);
        } catch {
          isOffline = Boolean(save);
          if (isOffline) break;
          isRefused = true;
          waiting.shift();
          showStatus("No answer: no connection, an error on the server, or you are logged out. Reload this page to see whether the text has changed.", true);
          continue;
        }
        isOffline = false;
        waiting.shift();
        showAnswer(answer, isStep);
        if (answer.status !== 200) {
          isRefused = true;
          restore?.();
          const isConflict = Boolean(answer.status === 409 && answer.turns);
          if (save) handleRefusal({ ...save, isConflict, seen: isConflict ? revision : save.seen, detail: answer.detail });
          else showStatus(answer.detail, true);
        } else {
          if (save) forget(save);
          onDone?.();
          if (!isRefused) showStatus(sentence);
        }
      }
      isSending = false;
      if (!isOffline) return;
      // Do not undo or replace anything minutes later, when nobody expects it.
      waiting = waiting.filter(({ save }) => save);
      showOffline();
      retry = setTimeout(sendQueue, RETRY_MS);
    }

    function showOffline() {
      showStatus("Not saved: no connection, an error on the server, or you are logged out. Your text is kept in this browser and is sent again every 5 seconds. Until it is saved, you cannot undo, redo or replace. If you are logged out, reload this page and log in.", true);
    }

    function handleRefusal(draft) {
      // Whoever marked words as right has typed nothing that could be lost.
      if (wholeText(draft) === draft.before) {
        forget(draft);
        showStatus(draft.detail, true);
      } else {
        listRefused(draft);
        showStatus("Not saved. Your text is in the list below.", true);
      }
    }

    function queueAction(url, body, more) {
      if (isOffline) showOffline();
      else queue({ url, body: { ...body, revision }, ...more });
    }

    // Without a number: the user's last change.
    const undo = (number) => queueAction(review.dataset.undo, { number }, { sentence: "Undone.", isStep: !number });
    const redo = (number) => queueAction(review.dataset.redo, { number }, { sentence: "Redone.", isStep: !number });

    async function loadHistory() {
      const place = byId("history").querySelector("div");
      try {
        const answer = await fetch(review.dataset.history, { headers: { "X-Requested-With": "fetch" } });
        if (answer.redirected || !answer.ok) throw new Error("no history");
        const html = await answer.text();
        const hadFocus = place.contains(document.activeElement);
        place.innerHTML = html;
        // The button that had the focus is gone.
        if (hadFocus) byId("history").querySelector("summary").focus();
      } catch {
        place.textContent = "The revisions cannot be loaded: no connection, an error on the server, or you are logged out. Reload this page.";
      }
    }

    // Buttons, keys and mouse

    function markAsRight(isPointer) {
      if (!viewer.words.length) return;
      const all = expandToCorrections(...takeSelection(isPointer));
      const now = textOf(all.from, all.to);
      queueSave({ ...all.range, before: now, typed: now });
    }

    const starts = {
      edit: (isPointer) => openInput(...takeSelection(isPointer)),
      insert: (isPointer) => openInput(...takeSelection(isPointer), { isInsertion: true }),
      accept: markAsRight,
      undo: () => undo(),
      redo: () => redo(),
    };
    for (const [name, start] of Object.entries(starts)) {
      const button = byId(`${name}-word`);
      // Do not take the focus from the word.
      button?.addEventListener("pointerdown", (event) => event.preventDefault());
      // A key that presses the button is no click: its event has the detail 0.
      button?.addEventListener("click", (event) => start(event.detail > 0));
    }

    text.addEventListener("keydown", (event) => {
      if (edit && event.target === edit.input) {
        if (event.isComposing) return;
        const { to } = edit;
        if (event.key === "Enter") {
          closeInput(true);
          viewer.selectWord(Math.min(to + 1, viewer.words.length - 1));
        } else if (event.key === "Escape") {
          closeInput(false);
          viewer.selectWord(to);
        } else return;
        event.preventDefault();
        return;
      }
      const number = viewer.numberOf(event.target);
      if (number === undefined) return;
      const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey;
      if (isPlain && event.shiftKey && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
        const next = number + viewer.stepOf(event);
        if (viewer.words[next]) extendSelection(next);
      } else if (isPlain && ["Enter", "F2"].includes(event.key)) {
        starts.edit();
      } else if (isPlain && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
        clearSelection();
        return;
      } else return;
      event.preventDefault();
    }, true);

    text.addEventListener("viewer:select", clearSelection);

    text.addEventListener("click", (event) => {
      const number = viewer.numberOf(event.target);
      if (event.shiftKey && number !== undefined) extendSelection(number);
    });

    text.addEventListener("dblclick", (event) => {
      const number = viewer.numberOf(event.target);
      if (number === undefined) return;
      viewer.selectWord(number);
      starts.edit();
    });

    const typing = "select, textarea, input:not([type=range], [type=checkbox])";
    document.addEventListener("keydown", (event) => {
      // A key that is held down must not queue dozens of requests.
      if (event.defaultPrevented || event.repeat || event.isComposing || event.target.closest(typing)) return;
      const key = viewer.shortcutOf(event);
      if ((event.ctrlKey || event.metaKey) && !event.altKey) {
        if (key === "y" || (key === "z" && event.shiftKey)) redo();
        else if (key === "z") undo();
        else return;
      } else if (!event.altKey && viewer.keysOn() && ["i", "a"].includes(key) && text.contains(event.target)) {
        starts[key === "i" ? "insert" : "accept"]();
      } else return;
      event.preventDefault();
    });

    byId("history").addEventListener("toggle", () => { if (byId("history").open) loadHistory(); });
    byId("history").addEventListener("click", (event) => {
      const { undo: undone, redo: redone } = event.target.dataset;
      if (undone) undo(Number(undone));
      if (redone) redo(Number(redone));
    });

    const form = byId("replace");
    // After a lost answer, the server does not replace again with the same key.
    let previewKey = "";
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const place = form.querySelector(".preview");
      try {
        const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
        if (answer.redirected || !answer.ok) throw new Error("no preview");
        place.innerHTML = await answer.text();
        previewKey = newKey();
      } catch {
        place.textContent = "No preview: no connection, an error on the server, or you are logged out.";
      }
    });
    form.addEventListener("input", () => { form.querySelector(".preview").textContent = ""; });
    form.addEventListener("click", (event) => {
      if (event.target.id !== "replace-all" || waiting.some(({ body }) => body.key === previewKey)) return;
      const [find, replace] = [form.elements.find.value, form.elements.replace.value];
      queueAction(review.dataset.replace, { find, replace, key: previewKey }, {
        sentence: "Replaced.",
        onDone: () => {
          const place = form.querySelector(".preview");
          if (place.contains(document.activeElement)) form.elements.find.focus();
          place.textContent = "";
        },
      });
    });

    byId("verify")?.addEventListener("submit", (event) => {
      event.target.elements.revision.value = revision;
      const fault = (edit && "a correction is open. Press Enter to save it, then verify.")
        || (waiting.length && "your last change is still being saved. Wait for “Saved.”, then verify.")
        || (refused.length && "the texts in the list below are not saved. Use or discard them, then verify.");
      if (!fault) return;
      event.preventDefault();
      showStatus(`Not verified: ${fault}`, true);
    });

    addEventListener("online", sendQueue);
    // Another tab may have closed the same draft.
    addEventListener("beforeunload", () => { if (edit) store(openDraft()); });
    restoreDrafts();
  }

  start();
})();
