// If the page shows times in another zone than the browser's, suggest the browser's zone.
(() => {
  "use strict";
  const hint = document.getElementById("browser-zone");
  const select = document.getElementById("id_time_zone");
  const canonical = (timeZone) => new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
  const zone = canonical(undefined);
  const isOffered = [...select.options].some((option) => option.value === zone);
  try {
    if (!isOffered || canonical(hint.dataset.current) === zone) return;
  } catch {
    // The browser does not know this page's zone, so its own zone must be another one.
  }
  hint.querySelector("strong").textContent = zone;
  hint.querySelector("button").addEventListener("click", () => {
    select.value = zone;
    hint.hidden = true;
    select.focus();
  });
  hint.hidden = false;
})();
