"use strict";
// Keeps the page up to date where the browser runs scripts; without, links and forms do.
(() => {
  const find = (name) => document.querySelector(`[data-part="${name}"]`);

  // What somebody is about to do stays: the focus, and a choice that was made.
  const swap = (part, html) => {
    const held = part.contains(document.activeElement) ? document.activeElement.id : "";
    const chosen = new Map([...part.querySelectorAll("select")].map((each) => [each.id, each.value]));
    part.innerHTML = html;
    for (const [id, value] of chosen) {
      const select = document.getElementById(id);
      if (select) select.value = value;
    }
    if (held) document.getElementById(held)?.focus();
  };

  const events = new EventSource("/dashboard/events");
  events.addEventListener("part", (event) => {
    const { name, html } = JSON.parse(event.data);
    const part = find(name);
    if (part && part.dataset.shown !== html) {
      const changed = part.dataset.shown !== undefined;
      part.dataset.shown = html;
      swap(part, html);
      // What the last button did is old once the state that it led to is there.
      if (changed && name === "headline" && !part.querySelector(".busy")) document.querySelector(".said")?.remove();
    }
  });
  events.addEventListener("reload", () => location.reload());
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 15000);
  });
})();
