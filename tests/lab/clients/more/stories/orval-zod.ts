// The client of orval with fetch; every success is read by the zod schema that orval made of it.
import { accessToken, creditCarte, debitCarte, getListeCartes, getSoldeCarte, type Refus } from "./client";
import { use } from "./http";
import { play, type Answer } from "./story";
import {
  AccessTokenResponse,
  CreditCarteResponse,
  DebitCarteResponse,
  GetListeCartesResponse,
  GetSoldeCarteResponse,
} from "./zod";

interface Told {
  status: number;
  headers: Headers;
  data: unknown;
}

async function answer<T>(call: Promise<Told>, schema: { parse(data: unknown): T }): Promise<Answer<T>> {
  const { status, headers, data } = await call;
  const rejoue = headers.get("Idempotent-Replayed") === "true";
  if (status !== 200) return { statut: status, rejoue, code: (data as Refus).code };
  return { statut: status, rejoue, data: schema.parse(data) };
}

await play((url, token) => {
  function at<T>(call: () => Promise<T>): Promise<T> {
    use(url, token);
    return call();
  }
  return {
    jeton: (form) => at(() => answer(accessToken(form), AccessTokenResponse)),
    solde: (carte) => at(() => answer(getSoldeCarte(carte), GetSoldeCarteResponse)),
    page: (query) => at(() => answer(getListeCartes(query), GetListeCartesResponse)),
    credit: (demande) => at(() => answer(creditCarte(demande), CreditCarteResponse)),
    debit: (demande) => at(() => answer(debitCarte(demande), DebitCarteResponse)),
  };
});
