"use strict";

// The page is whole without this: it only spares the reader some steps.

// The choice of a language holds for every snippet, and for the next visit.
const STORED = "cynod.langage";

function chooseLanguage(language, chosen) {
  const place = chosen?.getBoundingClientRect().top;
  for (const input of document.querySelectorAll(`.onglets > [value="${CSS.escape(language)}"]`)) {
    input.checked = true;
  }
  // Snippets above may have become longer or shorter: what was chosen stays under the pointer.
  if (chosen) {
    scrollBy({ top: chosen.getBoundingClientRect().top - place, behavior: "instant" });
  }
}

function remember(language) {
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // A browser that keeps nothing shows the page all the same.
  }
}

function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

document.addEventListener("change", ({ target }) => {
  if (target.matches(".onglets > input")) {
    chooseLanguage(target.value, target.closest(".onglets"));
    remember(target.value);
  }
});

if (remembered()) {
  chooseLanguage(remembered());
}

// The snippets address the server that shows them.
if (document.body.dataset.serveur === "oui") {
  // What the paths of this contract begin with is no part of the address.
  const here = new URL(".", location).href.replace(/\/$/, "");
  const { prefixe } = document.body.dataset;
  for (const address of document.querySelectorAll(".adresse")) {
    address.textContent = prefixe && here.endsWith(prefixe) ? here.slice(0, -prefixe.length) : here;
  }
}

function addCopyButton(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copier";
  button.textContent = "Copier";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copié";
    setTimeout(() => {
      button.textContent = "Copier";
    }, 2000);
  });
  const frame = document.createElement("div");
  frame.className = "code";
  block.replaceWith(frame);
  frame.append(block, button);
}

// Browsers let a page write to the clipboard over HTTPS, or on the developer's own machine.
if (navigator.clipboard) {
  document.querySelectorAll("main pre").forEach(addCopyButton);
}

// On a phone the contents are folded, and fold again once they have led somewhere.
const contents = document.querySelector(".sommaire details");
const narrow = matchMedia("(max-width: 60rem)");

function foldContents() {
  contents.open = !narrow.matches;
}

narrow.addEventListener("change", foldContents);
contents.addEventListener("click", ({ target }) => {
  if (narrow.matches && target.closest("a")) {
    contents.open = false;
  }
});
foldContents();

// The contents show where the reader is: the last heading that has passed the band.
const places = new Map(
  [...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]),
);
const headings = [...places.keys()].map((id) => document.getElementById(id));
let current = null;
let waiting = false;

function showPlace() {
  waiting = false;
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const passed = headings.filter((one) => atEnd || one.getBoundingClientRect().top < 120);
  const link = places.get((passed.at(-1) ?? headings[0]).id);
  if (link !== current) {
    current?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "location");
    current = link;
    if (!narrow.matches) {
      const { top, bottom } = link.getBoundingClientRect();
      const box = contents.parentElement.getBoundingClientRect();
      if (top < box.top || bottom > box.bottom) {
        contents.parentElement.scrollTop += top - box.top - box.height / 3;
      }
    }
  }
}

addEventListener(
  "scroll",
  () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(showPlace);
    }
  },
  { passive: true },
);
showPlace();

// On paper nothing can be unfolded.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("main details:not([open])")) {
    folded.open = true;
    folded.dataset.plie = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("main details[data-plie]")) {
    folded.open = false;
    delete folded.dataset.plie;
  }
});
