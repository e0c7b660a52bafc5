// axios, as those use it who write the two calls themselves.
import axios from "axios";

const env = process.env;
const params = { numeroCarte: env.CARTE, walletId: env.WALLET, clientId: env.CLIENT };

async function fetchToken(url, secret) {
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  const auth = { username: env.KEY, password: secret };
  return (await axios.post(`${url}/access-token`, form, { auth, proxy: false })).data;
}

async function ask(token) {
  const headers = { Authorization: `Bearer ${token.access_token}` };
  return axios.get(`${env.URL}/get-solde-carte`, { params, headers, proxy: false });
}

const token = await fetchToken(env.URL, env.SECRET);
const balance = (await ask(token)).data;

const short = await fetchToken(env.SHORT_URL, env.SECRET);
await new Promise((resolve) => setTimeout(resolve, 1100)); // the token's life
let renewed = false;
try {
  await ask(short);
} catch (error) {
  if (error.response.status === 401 && error.response.data.code === "2002") {
    const next = await fetchToken(env.URL, env.SECRET);
    renewed = (await ask(next)).status === 200 && next.access_token !== short.access_token;
  }
}

let refusal = null;
try {
  await fetchToken(env.URL, `${env.SECRET}x`);
} catch (error) {
  const { error: name, code } = error.response.data;
  refusal = { error: name, code, statut: error.response.status };
}

console.log(
  JSON.stringify({
    jeton: token.token_type,
    solde: balance.data[0].soldeOnline,
    renouvele: renewed,
    refus: refusal,
  }),
);
