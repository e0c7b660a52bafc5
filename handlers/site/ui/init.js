"use strict";

// A 401 that offers Basic makes browsers ask for a password in a window of their own, and send it
// with every later call. Credentials come from "Authorize" alone, so the browser's are left out.
function withoutBrowserCredentials(request) {
  if (!request.loadSpec) {
    request.credentials = "omit";
  }
  return request;
}

// What people read in the place of the name of a tag: its display name, or else the name with a capital.
const tagTitles = new Map();

function readTags(contract) {
  for (const tag of contract.tags ?? []) {
    const capital = tag.name.charAt(0).toUpperCase() + tag.name.slice(1);
    tagTitles.set(tag.name, tag["x-displayName"] ?? capital);
  }
}

// Some defaults of Swagger UI that mislead here.
function ourDefaults() {
  return {
    wrapComponents: {
      // The introduction is the pages' first concern; here it would stand between a reader and the operations.
      InfoContainer: () => () => null,
      // The text of a tag alone: its address stays the one that its name makes. That of an operation lies in
      // the button that opens it, which may hold no link; opening it shows its address.
      DeepLink: (DeepLink, { React }) => (props) =>
        props.path.includes("/")
          ? React.createElement("span", null, props.text)
          : React.createElement(DeepLink, { ...props, text: tagTitles.get(props.text) ?? props.text }),
      // "Authorize" would open scrolled down to the field of Basic, past the token, which is preferred.
      Input: (Input, { React }) => (props) =>
        React.createElement(Input, { ...props, autoFocus: false }),
      // A form field that was cleared would be sent empty, which the API refuses; the box beside the
      // field still allows it.
      ParameterIncludeEmpty: (IncludeEmpty, { React }) => (props) =>
        React.createElement(IncludeEmpty, {
          ...props,
          isIncludedOptions: { ...props.isIncludedOptions, defaultValue: false },
        }),
    },
  };
}

const { contrat, prefixe, essai } = document.getElementById("console").dataset;

// Where the contract lies: behind a proxy that serves the API below a prefix, everything is below it. The
// contract does not know it, and its address of tokens begins with a slash. What its own paths begin
// with is no part of it.
const place = new URL(".", new URL(contrat, location)).pathname.replace(/\/$/, "");
const prefix = prefixe && place.endsWith(prefixe) ? place.slice(0, -prefixe.length) : place;

function below(address) {
  return /^\/(?!\/)/.test(address) ? (prefix + address).replace(/(.)\/$/, "$1") : address;
}

// The console calls the server that publishes it: its policy lets it call no other, and who tries a payment
// here must not send it to production. A static copy calls nobody, and shows the servers of the contract.
function ofThisServer(contract) {
  const own = [{ url: prefix || "/", description: "Le serveur qui publie cette page." }];
  const servers = essai === "oui" ? own : contract.servers;
  const securitySchemes = structuredClone(contract.components?.securitySchemes ?? {});
  for (const scheme of Object.values(securitySchemes)) {
    for (const flow of Object.values(scheme.flows ?? {})) {
      flow.tokenUrl = below(flow.tokenUrl);
    }
  }
  return { ...contract, servers, components: { ...contract.components, securitySchemes } };
}

function whereverItIsServed() {
  return {
    statePlugins: {
      spec: {
        wrapActions: {
          updateJsonSpec: (update) => (contract) => {
            readTags(contract);
            return update(ofThisServer(contract));
          },
        },
      },
    },
  };
}

// Its own dark colours are those of a class.
const night = matchMedia("(prefers-color-scheme: dark)");

function followTheSystem() {
  document.documentElement.classList.toggle("dark-mode", night.matches);
}

night.addEventListener("change", followTheSystem);
followTheSystem();

SwaggerUIBundle({
  url: contrat,
  dom_id: "#console",
  deepLinking: true,
  tryItOutEnabled: essai === "oui",
  persistAuthorization: false,
  displayRequestDuration: true,
  // The numbers of its first choice are too dark a red to be read on black.
  syntaxHighlight: { theme: "tomorrow-night" },
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // A static copy lies where no API answers.
  supportedSubmitMethods: essai === "oui" ? ["get", "post"] : [],
  // Neither a badge nor the contract goes to an outside validator.
  validatorUrl: "none",
  requestInterceptor: withoutBrowserCredentials,
  plugins: [ourDefaults, whereverItIsServed],
});
