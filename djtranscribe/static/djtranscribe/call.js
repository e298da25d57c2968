// Until all steps of a call have ended, its page requests the section #call again every
// second. Announce a new headline, and say if the server cannot be reached.
(() => {
  "use strict";
  const announcer = document.getElementById("announcer");
  const offline = document.getElementById("offline");
  const headline = () => document.getElementById("headline").textContent.trim();
  let announced = headline();

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status === 200) offline.hidden = true;
  });

  // Copy buttons stay hidden without JavaScript.
  const showCopyButtons = () => {
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  };
  showCopyButtons();

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // The clipboard needs https and permission. Otherwise select the text and use execCommand.
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
    }
    announcer.textContent = copied ? "Copied." : "Press Ctrl-C to copy.";
    button.textContent = copied ? "Copied" : "Press Ctrl-C";
  });

  document.addEventListener("htmx:afterSwap", () => {
    showCopyButtons();
    if (headline() !== announced) announcer.textContent = announced = headline();
  });

  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failure, () => {
      // If the polling has ended, polling.js shows its own message instead.
      offline.hidden = !document.querySelector("[data-poll-ended]").hidden;
    });
  }
})();
