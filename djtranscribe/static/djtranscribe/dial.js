// Writes the number as its country does, once the server has said how.
(() => {
  "use strict";
  document.addEventListener("number-checked", (event) => {
    const { typed, formatted, isWrong } = event.detail;
    const input = document.getElementById("number");
    // The text has changed meanwhile, or the cursor is in the middle: do not touch it.
    const isAtEnd = input.selectionStart === input.value.length;
    if (input.value !== typed) return;
    if (isAtEnd) input.value = formatted;
    if (isWrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  });
})();
