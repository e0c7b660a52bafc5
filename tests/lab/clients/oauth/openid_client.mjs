// openid-client with ClientSecretBasic, which encodes the pair as RFC 6749 wants.
import * as oidc from "openid-client";

const env = process.env;
const query = new URLSearchParams({ numeroCarte: env.CARTE, walletId: env.WALLET, clientId: env.CLIENT });

function configuration(url, secret) {
  const server = { issuer: url, token_endpoint: `${url}/access-token` };
  const made = new oidc.Configuration(server, env.KEY, undefined, oidc.ClientSecretBasic(secret));
  oidc.allowInsecureRequests(made);
  return made;
}

async function ask(config, token) {
  const url = new URL(`${env.URL}/get-solde-carte?${query}`);
  return oidc.fetchProtectedResource(config, token.access_token, url, "GET");
}

const config = configuration(env.URL, env.SECRET);
const parameters = { scope: "soldes:lire cartes:lire", resource: "https://api.cynod.example" };
const token = await oidc.clientCredentialsGrant(config, parameters);
const balance = await (await ask(config, token)).json();

const short = await oidc.clientCredentialsGrant(configuration(env.SHORT_URL, env.SECRET), { scope: "" });
await new Promise((resolve) => setTimeout(resolve, 1100)); // the token's life
let renewed = false;
try {
  await ask(config, short);
} catch (error) {
  const challenge = error.cause[0];
  if (error.status === 401 && challenge.parameters.error === "invalid_token") {
    const next = await oidc.clientCredentialsGrant(config);
    renewed = (await ask(config, next)).status === 200 && next.access_token !== short.access_token;
  }
}

let refusal = null;
try {
  await oidc.clientCredentialsGrant(configuration(env.URL, `${env.SECRET}x`));
} catch (error) {
  const { error: name, code } = await error.response.json();
  refusal = { error: name, code, statut: error.status, defi: error.cause[0].scheme };
}

console.log(
  JSON.stringify({
    jeton: token.token_type,
    solde: balance.data[0].soldeOnline,
    renouvele: renewed,
    refus: refusal,
  }),
);
