"use strict";

// What Swagger UI leaves out for those who hear a page, or have no mouse. It draws its elements anew
// whenever something changes, and takes nothing away that it does not know of.

const nameOfParameter = (element) => element.closest("tr").dataset.paramName;

// Each selector with the attributes that its elements are given; null takes one away.
const ATTRIBUTES = [
  // The rest of what it draws is in its main part.
  [".scheme-container > section", { "aria-label": "Servers and authorization" }],
  [".servers select", { "aria-label": "Servers" }],
  ["tr[data-param-name] :is(input:not([type=checkbox]), select, textarea)", { "aria-label": nameOfParameter }],
  [".body-param__text", { "aria-label": "Request body" }],
  [".examples-select-element", { "aria-label": "Examples" }],
  // It is a table, and its part of the page has a heading.
  [".responses-table", { role: null }],
  // What is wider than its frame is scrolled by the arrow keys too.
  [".swagger-ui pre", { tabindex: "0" }],
  [".modal-ux", { role: "dialog", "aria-label": (element) => element.querySelector("h3")?.textContent }],
  [".close-modal", { "aria-label": "Close" }],
  // Below the title of its scheme, which is of level 4.
  [".scopes h2", { role: "heading", "aria-level": "5" }],
  [".scopes h2 a", { role: "button", tabindex: "0" }],
];

function mend() {
  for (const [selector, attributes] of ATTRIBUTES) {
    for (const element of document.querySelectorAll(selector)) {
      for (const [name, given] of Object.entries(attributes)) {
        const value = typeof given === "function" ? given(element) : given;
        if (value == null) {
          element.removeAttribute(name);
        } else if (element.getAttribute(name) !== value) {
          element.setAttribute(name, value);
        }
      }
    }
  }
}

const drawn = document.getElementById("console");
new MutationObserver(mend).observe(drawn, { childList: true, subtree: true });

// Its links without an address are buttons, which the keys of a button press.
drawn.addEventListener("keydown", (event) => {
  if (event.target.matches("a[role=button]") && ["Enter", " "].includes(event.key)) {
    event.preventDefault();
    event.target.click();
  }
});
