// The whole story with openapi-typescript and openapi-fetch, as their documentation says to use them.
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Refus = components["schemas"]["Refus"];
type ReponseMouvement = components["schemas"]["ReponseMouvement"];

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const carte = { numeroCarte: setting("CARTE"), walletId: setting("WALLET"), clientId: setting("CLIENT") };

function api(url: string, token?: string): Client<paths> {
  return createClient<paths>({ baseUrl: url, headers: token ? { Authorization: `Bearer ${token}` } : {} });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("nothing was answered");
  return value;
}

async function authenticate(seen: Record<string, unknown>): Promise<string> {
  const { data } = await api(setting("URL")).POST("/access-token", {
    body: { grant_type: "client_credentials", client_id: setting("KEY"), client_secret: setting("SECRET") },
    bodySerializer: (body) => new URLSearchParams(Object.entries(body) as [string, string][]),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
  const jeton = present(data);
  seen["jeton"] = jeton.token_type;
  return jeton.access_token;
}

async function solde(client: Client<paths>): Promise<number> {
  const { data } = await client.GET("/get-solde-carte", { params: { query: carte } });
  return present(present(data).data[0]).soldeOnline;
}

async function pages(client: Client<paths>): Promise<string[][]> {
  const found: string[][] = [];
  let curseur: string | undefined;
  for (;;) {
    const query = { clientId: carte.clientId, limite: 2, ...(curseur ? { curseur } : {}) };
    const { data } = await client.GET("/get-liste-cartes", { params: { query } });
    const page = present(data);
    found.push(page.data.map((one) => one.numeroCarte));
    if (page.curseurSuivant === null) return found;
    curseur = page.curseurSuivant;
  }
}

async function etats(client: Client<paths>): Promise<(string | null)[][]> {
  const { data } = await client.GET("/get-liste-cartes", { params: { query: { clientId: carte.clientId } } });
  return present(data).data.map((one) => [one.carteId, one.statut, one.motifStatut]);
}

function demande(montant: number, reference: string, numeroCarte = carte.numeroCarte) {
  return { body: { ...carte, numeroCarte, montant, reference: `${setting("REFERENCE")}-${reference}` } };
}

function moved(answer: { data?: ReponseMouvement; response: Response }) {
  const mouvement = present(present(answer.data).data[0]);
  return {
    montant: mouvement.montant,
    solde: mouvement.soldeOnline,
    numero: mouvement.numeroOperation,
    rejoue: answer.response.headers.get("Idempotent-Replayed") === "true",
  };
}

function refused(answer: { error?: Refus; response: Response }) {
  return { statut: answer.response.status, code: present(answer.error).code };
}

const seen: Record<string, unknown> = {};
const token = await authenticate(seen);
const client = api(setting("URL"), token);
seen["solde"] = await solde(client);
seen["pages"] = await pages(client);
seen["credit"] = moved(await client.POST("/credit-carte", demande(1000, "C")));
seen["debit"] = moved(await client.POST("/debit-carte", demande(500, "D")));
seen["encore"] = moved(await client.POST("/debit-carte", demande(500, "D")));
seen["insuffisant"] = refused(await client.POST("/debit-carte", demande(999_999_999, "I")));
const unknown = { ...carte, numeroCarte: "000000000000" };
seen["inconnue"] = refused(await client.GET("/get-solde-carte", { params: { query: unknown } }));
const expired = api(setting("URL"), setting("EXPIRED"));
seen["expire"] = refused(await expired.GET("/get-solde-carte", { params: { query: carte } }));
const down = api(setting("DOWN"), setting("DOWN_TOKEN"));
seen["indisponible"] = refused(await down.POST("/debit-carte", demande(500, "INDISPONIBLE")));
const tomorrow = api(setting("NEXT"), "x");
seen["demain"] = {
  solde: await solde(tomorrow),
  ...refused(await tomorrow.POST("/debit-carte", demande(500, "X"))),
};
if (process.env["EMISE"] !== undefined) {
  seen["etats"] = await etats(client);
  seen["emise"] = refused(await client.POST("/debit-carte", demande(500, "E", setting("EMISE"))));
  const suspended = api(setting("URL"), setting("SUSPENDED"));
  seen["suspendu"] = refused(await suspended.GET("/get-solde-carte", { params: { query: carte } }));
}
console.log(JSON.stringify(seen));
