// The client of kubb, which reads every answer by its zod schema, with a function in place of its fetch: that one
// sends forms as JSON, and reads a refusal by the schema of a success.
import type { Client, RequestConfig, ResponseConfig } from "@kubb/plugin-client/clients/fetch";
import { accessToken, creditCarte, debitCarte, getListeCartes, getSoldeCarte, type Refus } from "./index.ts";
import { play, type Answer } from "./story";

class Refused extends Error {
  constructor(
    readonly statut: number,
    readonly code: string,
  ) {
    super(code);
  }
}

function body(config: RequestConfig<unknown>): string | null {
  if (config.data === undefined) return null;
  const kind = new Headers(config.headers as Record<string, string>).get("Content-Type");
  if (kind !== "application/x-www-form-urlencoded") return JSON.stringify(config.data);
  return new URLSearchParams(config.data as Record<string, string>).toString();
}

function connected(url: string, token: string | undefined, seen: { last?: Headers }): Client {
  return async <T, _E, V>(config: RequestConfig<V>): Promise<ResponseConfig<T>> => {
    const query = new URLSearchParams(
      Object.entries((config.params ?? {}) as Record<string, unknown>)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, String(value)]),
    );
    const headers = new Headers({ "Content-Type": "application/json", ...(config.headers as Record<string, string>) });
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const target = `${url}${config.url ?? ""}${query.size ? `?${query}` : ""}`;
    const answer = await fetch(target, { method: config.method ?? "GET", headers, body: body(config) });
    const data: unknown = await answer.json();
    if (!answer.ok) throw new Refused(answer.status, (data as Refus).code);
    seen.last = answer.headers;
    return { data: data as T, status: answer.status, statusText: answer.statusText, headers: answer.headers };
  };
}

await play((url, token) => {
  const seen: { last?: Headers } = {};
  const client = connected(url, token, seen);
  async function answer<T>(call: Promise<T>): Promise<Answer<T>> {
    try {
      const data = await call;
      return { statut: 200, rejoue: seen.last?.get("Idempotent-Replayed") === "true", data };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { statut: error.statut, rejoue: false, code: error.code };
    }
  }
  return {
    jeton: (form) => answer(accessToken(form, { client })),
    solde: (carte) => answer(getSoldeCarte(carte, { client })),
    page: (query) => answer(getListeCartes(query, { client })),
    credit: (demande) => answer(creditCarte(demande, { client })),
    debit: (demande) => answer(debitCarte(demande, { client })),
  };
});
