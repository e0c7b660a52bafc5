// openid-client finds the server by its metadata (RFC 8414), and ends and inspects a token.
import * as oidc from "openid-client";

const env = process.env;
const config = await oidc.discovery(
  new URL(env.URL),
  env.KEY,
  undefined,
  oidc.ClientSecretBasic(env.SECRET),
  { algorithm: "oauth2", execute: [oidc.allowInsecureRequests] },
);
const token = await oidc.clientCredentialsGrant(config);
const address = new URL(`${env.URL}/mes-droits`);
const answer = await oidc.fetchProtectedResource(config, token.access_token, address, "GET");

const before = await oidc.tokenIntrospection(config, token.access_token);
await oidc.tokenRevocation(config, token.access_token);

console.log(
  JSON.stringify({
    emetteur: config.serverMetadata().issuer === env.URL,
    droits: answer.status,
    avant: [before.active, before.client_id, before.token_type],
    revocation: 200, // it throws when it is another
    apres: await oidc.tokenIntrospection(config, token.access_token),
  }),
);
