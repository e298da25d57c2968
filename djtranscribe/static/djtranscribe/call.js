// The call's page replaces its section every second. This keeps that quiet and honest.
(() => {
  "use strict";
  const announcer = document.getElementById("announcer");
  const offline = document.getElementById("offline");
  let last = "";
  const headline = () => document.getElementById("headline").textContent.trim();
  let announced = headline();

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (new URL(xhr.responseURL).pathname !== location.pathname) {
      // The session has ended and this is the sign-in page: show it as a page.
      event.detail.shouldSwap = false;
      location.reload();
    } else if (xhr.status === 200) {
      offline.hidden = true;
      // Nothing new: leave focus and selection alone.
      event.detail.shouldSwap = xhr.responseText !== last;
      last = xhr.responseText;
    }
  });

  document.addEventListener("htmx:afterSwap", () => {
    if (headline() !== announced) announcer.textContent = announced = headline();
  });

  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failure, () => {
      // polling.js says so once it is over.
      offline.hidden = !document.querySelector("[data-poll-ended]").hidden;
    });
  }
})();
