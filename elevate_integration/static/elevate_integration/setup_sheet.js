/* Copies values of the set-up sheet, prints it, and remembers its ticks in this browser. Without it the page is text. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const status = document.querySelector("[data-elevate-copied]");
  if (!status) return;

  const select = (button) => {
    const range = document.createRange();
    range.selectNodeContents(button.parentElement.querySelector("code"));
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async (button) => {
    const text = button.dataset.elevateCopy;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      /* No clipboard without HTTPS: the text is selected, and copied the old way where that is possible. */
      select(button);
      done = document.execCommand("copy");
    }
    status.textContent = done ? status.dataset.elevateCopied.replace("%s", text) : "";
  };
  for (const button of document.querySelectorAll("[data-elevate-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  const print = document.querySelector("[data-elevate-print]");
  print.parentElement.hidden = false;
  print.addEventListener("click", () => window.print());

  /* The name holds both values, so a changed value is no longer ticked off. */
  const name = (tick) => `elevate-sheet ${tick.dataset.elevateTick}`;
  for (const tick of document.querySelectorAll("[data-elevate-tick]")) {
    try {
      tick.checked = window.localStorage.getItem(name(tick)) === "done";
    } catch {
      return;
    }
    tick.addEventListener("change", () => {
      if (tick.checked) window.localStorage.setItem(name(tick), "done");
      else window.localStorage.removeItem(name(tick));
    });
  }
});
