// When the server has checked the typed number, write it in the format of its country.
(() => {
  "use strict";
  document.addEventListener("number-checked", (event) => {
    const { typed, formatted, isWrong } = event.detail;
    const input = document.getElementById("number");
    // If the text has changed meanwhile, or the cursor is in the middle, keep the text.
    const isAtEnd = input.selectionStart === input.value.length;
    if (input.value !== typed) return;
    if (isAtEnd) input.value = formatted;
    if (isWrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  });
})();
