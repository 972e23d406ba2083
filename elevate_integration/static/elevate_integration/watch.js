/* Asks for a course that is being set up, a few times and more and more rarely, then stops: seven questions in about
   a minute, only while the page is looked at, and at most for three places of a page. */
(() => {
  "use strict";
  const WAITS = [1, 2, 3, 5, 8, 13, 20];
  const MOST = 3;

  const pause = (seconds) => new Promise((go) => setTimeout(go, seconds * 1000));
  const seen = () => document.hidden
    ? new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }))
    : Promise.resolve();

  async function ask(place) {
    const answer = await fetch(place.dataset.elevateState, {
      headers: { "X-Elevate-Ticket": place.dataset.elevateTicket },
      credentials: "same-origin",
      cache: "no-store",
    });
    // Too old a ticket, another log-in or a broken server: asking again would not help.
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  async function watch(place) {
    let last;
    try {
      for (const seconds of WAITS) {
        await pause(seconds);
        await seen();
        const answer = await ask(place);
        // Written by our own template, which escapes every text. What is the same is left alone, since a screen
        // reader would read it out again.
        if (answer.html !== undefined && answer.html !== last) {
          place.querySelector("[data-elevate-shown]").innerHTML = last = answer.html;
        }
        if (answer.settled) {
          place.querySelectorAll(".elevate-later").forEach((part) => part.remove());
          return;
        }
      }
    } catch {
      // Nothing is lost: the page still says where the course will be.
    }
    place.querySelectorAll(".elevate-late").forEach((part) => { part.hidden = false; });
  }

  const places = [...document.querySelectorAll("[data-elevate-ticket]:not([data-elevate-watched])")];
  places.forEach((place) => { place.dataset.elevateWatched = "yes"; });
  places.slice(0, MOST).forEach(watch);
})();
