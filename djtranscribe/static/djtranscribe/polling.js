// For pages that refresh a part of themselves: replace the part only if it has changed. Stop
// when a refresh can no longer succeed, and say why.
(() => {
  "use strict";
  // Stop after this many failed polls in a row. That takes one or two minutes if they fail
  // at once, ten if they time out. A restart of the server is shorter.
  const MAX_FAILURES = 60;
  const notice = document.querySelector("[data-poll-ended]");
  const unreachable =
    "The server cannot be reached, so this page is no longer refreshed. Reload it later.";
  const refused =
    "The server refused to refresh this page, so it is no longer refreshed. Reload it.";
  const reasons = {
    401: "You are logged out, so this page is no longer refreshed. Log in again.",
    403: "Your account is no longer allowed to see this, so this page is no longer refreshed.",
    404: "This was deleted, so this page is no longer refreshed.",
  };
  let failures = 0;
  let ended = false;
  // {id of an element: the last response for it}
  const last = new Map();

  // Polls use GET. POST checks what somebody types, such as a number. A GET with the
  // trigger `revealed` is not a poll: it is sent once, when its element comes into view.
  const isPoll = ({ detail: { requestConfig: { verb, elt } } }) =>
    verb === "get" && elt.getAttribute("hx-trigger") !== "revealed";

  const end = (reason) => {
    ended = true;
    (notice.querySelector("p") || notice).textContent = reason;
    notice.hidden = false;
  };

  document.addEventListener("submit", () => {
    // A form was sent, for example to start another download: poll again.
    failures = 0;
    ended = false;
    notice.hidden = true;
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (ended && isPoll(event)) event.preventDefault();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig, target } = event.detail;
    const asked = new URL(requestConfig.path, location.href).pathname;
    if (new URL(xhr.responseURL).pathname !== asked) {
      // The session has ended, and the response is the login page.
      event.detail.shouldSwap = false;
      end(reasons[401]);
    } else if (xhr.status === 200 && isPoll(event)) {
      failures = 0;
      // If nothing has changed, keep the focus and the selection.
      event.detail.shouldSwap = xhr.responseText !== last.get(target.id);
      last.set(target.id, xhr.responseText);
    }
  });

  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failure, (event) => {
      if (!isPoll(event)) return;
      const { status } = event.detail.xhr;
      failures += 1;
      if (status >= 400 && status < 500 && status !== 429) {
        end(reasons[status] || refused);
      } else if (failures >= MAX_FAILURES) {
        end(unreachable);
      }
    });
  }
})();
