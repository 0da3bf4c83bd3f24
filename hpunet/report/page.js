"use strict";
// Everything is visible without this script; it lets the reader choose what the large image shows.
document.documentElement.classList.add("js");
const pinned = new Map();

function show(article, button) {
  const stage = article.querySelector(".stage");
  stage.classList.toggle("choosing", Boolean(button));
  for (const other of article.querySelectorAll("button.on")) other.classList.remove("on");
  if (!button) return;
  button.classList.add("on");
  const layer = stage.querySelector("g.chosen");
  layer.setAttribute("class", "chosen " + (button.className.match(/\bk\d*\b/) || [""])[0]);
  for (const use of layer.children) use.setAttribute("href", "#" + button.dataset.use);
  stage.querySelector("span.chosen").textContent = button.dataset.caption;
}

function pin(article, button) {
  const before = pinned.get(article);
  if (before) before.setAttribute("aria-pressed", "false");
  pinned.delete(article);
  if (button) {
    pinned.set(article, button);
    button.setAttribute("aria-pressed", "true");
  }
  show(article, button);
}

function choose(article, button) {
  pin(article, pinned.get(article) === button ? null : button);
  if (pinned.has(article)) article.querySelector(".large").scrollIntoView({ block: "nearest" });
}

function press(buttons, pressed) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === pressed));
}

function switchView(article, button) {
  press(button.parentElement.children, button);
  for (const view of article.querySelectorAll(".view")) {
    view.setAttribute("viewBox", button.dataset.view);
  }
  for (const bar of article.querySelectorAll(".scale")) bar.classList.toggle("other");
}

// Highlights the link to the image in the middle of the window.
const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) links.get(target.id)?.setAttribute("aria-current", "true");
    else links.get(target.id)?.removeAttribute("aria-current");
  }
}, { rootMargin: "-45% 0px -45% 0px" });
for (const article of document.querySelectorAll("article")) watcher.observe(article);

// Shows the item under the pointer or the focus for as long as it stays there.
for (const [start, end] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
  const preview = (begins) => (event) => {
    const button = event.target.closest("button[data-use]");
    if (!button || event.pointerType === "touch") return;
    const article = button.closest("article");
    show(article, begins ? button : pinned.get(article));
  };
  document.addEventListener(start, preview(true));
  document.addEventListener(end, preview(false));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const article = button && button.closest("article");
  if (!article) return;
  if (button.dataset.use) choose(article, button);
  else if (button.dataset.view) {
    if (button.getAttribute("aria-pressed") !== "true") switchView(article, button);
  } else {
    const plain = article.classList.toggle("plain");
    button.setAttribute("aria-pressed", String(plain));
  }
});

// Arrow keys move between samples, hypotheses or maps; Escape shows all outlines again.
document.addEventListener("keydown", (event) => {
  const article = event.target.closest("article");
  const button = event.target.closest("button[data-use]");
  if (event.key === "Escape") {
    for (const chosen of [...pinned.keys()]) pin(chosen, null);
    if (article) show(article, null);
    return;
  }
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!button || !step) return;
  const group = [...button.closest("section").querySelectorAll("button[data-use]")];
  const next = group[group.indexOf(button) + step];
  if (next) next.focus();
});
