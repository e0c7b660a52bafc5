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
  const { prefixe, racine } = document.body.dataset;
  const base = new URL(racine || ".", location).href.replace(/\/$/, "");
  for (const address of document.querySelectorAll(".adresse")) {
    address.textContent = prefixe && base.endsWith(prefixe) ? base.slice(0, -prefixe.length) : base;
  }
}

// Beside the caption, never above the code.
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
  block.before(button);
}

// Browsers let a page write to the clipboard over HTTPS, or on the developer's own machine.
if (navigator.clipboard) {
  document.querySelectorAll(".code > pre").forEach(addCopyButton);
}

// The first page was once the only one: what its addresses named stands on a page of its own now. Without
// this script they lead to a line that leads on.
function followOldAddress() {
  const id = decodeURIComponent(location.hash.slice(1));
  const there = id && document.getElementById(id);
  const onward = there
    ? there.matches("[data-suite]") && there.querySelector("a")
    : id && [...document.querySelectorAll(".sommaire a")].find((link) => link.hash === `#${id}`);
  if (onward) {
    location.replace(onward.href);
  }
}

if (document.body.dataset.racine === "") {
  followOldAddress();
  addEventListener("hashchange", followOldAddress);
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

// The contents show where the reader is: the last heading of this page that has passed the band.
const places = new Map(
  [...contents.querySelectorAll("a")]
    .filter((link) => link.hash && link.pathname === location.pathname)
    .map((link) => [document.getElementById(link.hash.slice(1)), link])
    .filter(([heading]) => heading),
);
let current = null;
let waiting = false;

function showInContents(link) {
  const { top, bottom } = link.getBoundingClientRect();
  const box = contents.parentElement.getBoundingClientRect();
  if (!narrow.matches && (top < box.top || bottom > box.bottom)) {
    contents.parentElement.scrollTop += top - box.top - box.height / 3;
  }
}

function showPlace() {
  waiting = false;
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const passed = [...places.keys()].filter((one) => atEnd || one.getBoundingClientRect().top < 120);
  const link = places.get(passed.at(-1));
  if (link !== current) {
    current?.removeAttribute("aria-current");
    link?.setAttribute("aria-current", "location");
    current = link;
    if (link) {
      showInContents(link);
    }
  }
}

const here = contents.querySelector("[aria-current=page]");
if (here) {
  showInContents(here);
}

if (places.size) {
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
}

// ── search ──

// The list to look in comes with the first letter; it is a script, which a copy on a disk may load too.
const search = document.querySelector(".recherche");
const question = search.querySelector("input");
const found = search.querySelector(".trouves");
const MOST = 12;
let lines = null;

function fold(text) {
  return text
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/’/g, "'")
    .toLowerCase();
}

function loadLines() {
  if (!lines) {
    lines = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${document.body.dataset.racine}doc/recherche.js`;
      script.addEventListener("load", () => {
        resolve(
          window.cynodRecherche.map(([title, kind, address, words]) => ({
            title,
            kind,
            address,
            fields: [fold(title), fold(`${kind} ${address}`), fold(words)],
          })),
        );
      });
      script.addEventListener("error", () => {
        lines = null;
        reject(new Error(script.src));
      });
      document.head.append(script);
    });
  }
  return lines;
}

// A word counts where another word begins with it: most in a title, then in an address, then in a text.
const WEIGHTS = [12, 6, 1];

function weigh(line, words) {
  let sum = 0;
  for (const word of words) {
    const start = new RegExp(`(^|[^a-z0-9])${word.replace(/[^a-z0-9]/g, "\\$&")}`);
    const weights = line.fields.map((field, number) => {
      if (start.test(field)) {
        return WEIGHTS[number];
      }
      // `carte` is also found in creditCarte.
      return word.length > 2 && field.includes(word) ? WEIGHTS[number] / 4 : 0;
    });
    const best = Math.max(...weights);
    if (best === 0) {
      return 0;
    }
    sum += best + weights.reduce((one, other) => one + other, 0) / 100;
  }
  return sum;
}

function makeLink({ title, kind, address }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = document.body.dataset.racine + address;
  link.textContent = title;
  if (kind) {
    const more = document.createElement("span");
    more.textContent = kind;
    link.append(" ", more);
  }
  item.append(link);
  return item;
}

function say(text, items) {
  found.querySelector("[role=status]").textContent = text;
  found.querySelector("ul").replaceChildren(...items);
  found.hidden = false;
}

async function look() {
  const asked = question.value;
  const words = fold(asked).split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    found.hidden = true;
    return;
  }
  let all;
  try {
    all = await loadLines();
  } catch {
    say("La recherche n’a pas pu être chargée.", []);
    return;
  }
  if (asked !== question.value) {
    return;
  }
  const good = all
    .map((line) => [weigh(line, words), line])
    .filter(([weight]) => weight > 0)
    .sort(([one], [other]) => other - one)
    .map(([, line]) => line);
  const shown = good.slice(0, MOST).map(makeLink);
  const count = { 0: "Aucun résultat", 1: "1 résultat" }[good.length] ?? `${good.length} résultats`;
  say(good.length > MOST ? `${count}, les ${MOST} premiers` : count, shown);
}

function closeSearch() {
  found.hidden = true;
}

// The arrows go from the question to what was found and back; Enter opens the first.
function move(event) {
  const links = [question, ...found.querySelectorAll("a")];
  const place = links.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    closeSearch();
    question.focus();
  } else if (step && place >= 0 && !found.hidden) {
    event.preventDefault();
    links[Math.min(Math.max(place + step, 0), links.length - 1)].focus();
  } else if (event.key === "Enter" && document.activeElement === question && !found.hidden) {
    links[1]?.click();
  }
}

search.hidden = false;
question.addEventListener("input", look);
question.addEventListener("focus", look);
search.addEventListener("keydown", move);
search.addEventListener("click", ({ target }) => {
  if (target.closest("a")) {
    closeSearch();
  }
});
search.addEventListener("focusout", ({ relatedTarget }) => {
  if (!search.contains(relatedTarget)) {
    closeSearch();
  }
});
// A letter alone would be taken from who speaks to a screen reader.
addEventListener("keydown", (event) => {
  if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    question.focus();
  }
});

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
