// simple-oauth2, as its README says to use it for client credentials.
import { ClientCredentials } from "simple-oauth2";

const env = process.env;
const query = new URLSearchParams({ numeroCarte: env.CARTE, walletId: env.WALLET, clientId: env.CLIENT });

function client(url, secret) {
  return new ClientCredentials({
    client: { id: env.KEY, secret },
    auth: { tokenHost: url, tokenPath: "/access-token" },
  });
}

async function ask(token) {
  const headers = { Authorization: `Bearer ${token.token.access_token}` };
  return fetch(`${env.URL}/get-solde-carte?${query}`, { headers });
}

const token = await client(env.URL, env.SECRET).getToken({ scope: "" });
const balance = await (await ask(token)).json();

const short = await client(env.SHORT_URL, env.SECRET).getToken({});
// Within five minutes of its end: what its README says to look for before a call.
let renewed = false;
if (short.expired(300)) {
  const next = await client(env.URL, env.SECRET).getToken({ scope: ["soldes:lire", "cartes:lire"] });
  renewed = (await ask(next)).status === 200 && next.token.access_token !== short.token.access_token;
}

let refusal = null;
try {
  await client(env.URL, `${env.SECRET}x`).getToken({});
} catch (error) {
  const { error: name, code } = error.data.payload;
  refusal = { error: name, code, statut: error.output.statusCode };
}

console.log(
  JSON.stringify({
    jeton: token.token.token_type,
    solde: balance.data[0].soldeOnline,
    renouvele: renewed,
    refus: refusal,
  }),
);
