// All of this is comfort: every page works without it.
"use strict";

// The zone of this browser, if the clinic has it in its list.
const zone = document.querySelector("#zone");
if (zone && !zone.value) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zone.options].some((option) => option.value === here)) zone.value = here;
}

// A second click on the same form does nothing. The server makes sure of that too.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// While the page says "we are checking", look quietly, so that a screen reader
// isn't interrupted, and show the ending when it is there. That the server can't be
// reached for a while changes nothing.
async function look() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const there = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && !there.querySelector("[data-checking]")) return location.reload();
    const panel = there.querySelector("#underneath");
    if (panel) document.querySelector("#underneath")?.replaceWith(panel);
  } catch {}
  setTimeout(look, 2000);
}
if (document.querySelector("[data-checking]")) setTimeout(look, 2000);
