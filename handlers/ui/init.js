"use strict";

// A 401 that offers Basic makes browsers ask for a password in a window of their own, and send it
// with every later call. Credentials come from "Authorize" alone, so the browser's are left out.
function withoutBrowserCredentials(request) {
  if (!request.loadSpec) {
    request.credentials = "omit";
  }
  return request;
}

// "Authorize" would open scrolled down to the field of Basic, past the token, which is preferred.
function withoutAutoFocus() {
  return {
    wrapComponents: {
      Input: (Input, { React }) => (props) =>
        React.createElement(Input, { ...props, autoFocus: false }),
    },
  };
}

SwaggerUIBundle({
  url: "/openapi.yaml",
  dom_id: "#console",
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: ["get", "post"],
  // Neither a badge nor the contract goes to an outside validator.
  validatorUrl: "none",
  requestInterceptor: withoutBrowserCredentials,
  plugins: [withoutAutoFocus],
});
