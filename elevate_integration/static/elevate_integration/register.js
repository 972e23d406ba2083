/* Presses the one button of the page for a visitor who looks at it: not for robots without scripts, not for a browser
   that fetches or renders the page ahead, and not when the visitor comes back by the Back button. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-elevate-continue]");
  const [visit] = performance.getEntriesByType("navigation");
  if (!form || (visit && visit.type === "back_forward")) return;
  let pressed = false;
  const press = () => {
    if (pressed || document.prerendering || document.visibilityState !== "visible") return;
    pressed = true;
    form.requestSubmit();
  };
  document.addEventListener("prerenderingchange", press);
  document.addEventListener("visibilitychange", press);
  press();
})();
