// The whole story with the client of @hey-api/openapi-ts, as its documentation says to use it.
import { createClient, createConfig, type Client } from "./client/index.js";
import { accessToken, creditCarte, debitCarte, getListeCartes, getSoldeCarte } from "./sdk.gen.js";
import type { Refus, ReponseMouvement } from "./types.gen.js";

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const carte = { numeroCarte: setting("CARTE"), walletId: setting("WALLET"), clientId: setting("CLIENT") };

function api(url: string, token?: string): Client {
  return createClient(createConfig({ baseUrl: url, auth: ({ scheme }) => (scheme === "bearer" ? token : undefined) }));
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("nothing was answered");
  return value;
}

async function authenticate(seen: Record<string, unknown>): Promise<string> {
  const { data } = await accessToken({
    client: api(setting("URL")),
    body: { grant_type: "client_credentials", client_id: setting("KEY"), client_secret: setting("SECRET") },
  });
  const jeton = present(data);
  seen["jeton"] = jeton.token_type;
  return jeton.access_token;
}

async function solde(client: Client): Promise<number> {
  const { data } = await getSoldeCarte({ client, query: carte });
  return present(present(data).data[0]).soldeOnline;
}

async function pages(client: Client): Promise<string[][]> {
  const found: string[][] = [];
  let curseur: string | undefined;
  for (;;) {
    const query = { clientId: carte.clientId, limite: 2, ...(curseur ? { curseur } : {}) };
    const { data } = await getListeCartes({ client, query });
    const page = present(data);
    found.push(page.data.map((one) => one.numeroCarte));
    if (page.curseurSuivant === null) return found;
    curseur = page.curseurSuivant;
  }
}

async function etats(client: Client): Promise<(string | null)[][]> {
  const { data } = await getListeCartes({ client, query: { clientId: carte.clientId } });
  return present(data).data.map((one) => [one.carteId, one.statut, one.motifStatut]);
}

function demande(montant: number, reference: string, numeroCarte = carte.numeroCarte) {
  return { ...carte, numeroCarte, montant, reference: `${setting("REFERENCE")}-${reference}` };
}

function moved(answer: { data?: ReponseMouvement; response?: Response }) {
  const mouvement = present(present(answer.data).data[0]);
  return {
    montant: mouvement.montant,
    solde: mouvement.soldeOnline,
    numero: mouvement.numeroOperation,
    rejoue: present(answer.response).headers.get("Idempotent-Replayed") === "true",
  };
}

function refused(answer: { error?: Refus; response?: Response }) {
  return { statut: present(answer.response).status, code: present(answer.error).code };
}

const seen: Record<string, unknown> = {};
const token = await authenticate(seen);
const client = api(setting("URL"), token);
seen["solde"] = await solde(client);
seen["pages"] = await pages(client);
seen["credit"] = moved(await creditCarte({ client, body: demande(1000, "C") }));
seen["debit"] = moved(await debitCarte({ client, body: demande(500, "D") }));
seen["encore"] = moved(await debitCarte({ client, body: demande(500, "D") }));
seen["insuffisant"] = refused(await debitCarte({ client, body: demande(999_999_999, "I") }));
const unknown = { ...carte, numeroCarte: "000000000000" };
seen["inconnue"] = refused(await getSoldeCarte({ client, query: unknown }));
const expired = api(setting("URL"), setting("EXPIRED"));
seen["expire"] = refused(await getSoldeCarte({ client: expired, query: carte }));
const down = api(setting("DOWN"), setting("DOWN_TOKEN"));
seen["indisponible"] = refused(await debitCarte({ client: down, body: demande(500, "INDISPONIBLE") }));
const tomorrow = api(setting("NEXT"), "x");
seen["demain"] = {
  solde: await solde(tomorrow),
  ...refused(await debitCarte({ client: tomorrow, body: demande(500, "X") })),
};
if (process.env["EMISE"] !== undefined) {
  seen["etats"] = await etats(client);
  seen["emise"] = refused(await debitCarte({ client, body: demande(500, "E", setting("EMISE")) }));
  const suspended = api(setting("URL"), setting("SUSPENDED"));
  seen["suspendu"] = refused(await getSoldeCarte({ client: suspended, query: carte }));
}
console.log(JSON.stringify(seen));
