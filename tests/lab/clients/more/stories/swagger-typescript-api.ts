// The client of swagger-typescript-api, as its documentation says to use it: what is refused is thrown.
import { Api, type HttpResponse, type Refus, type RefusJeton } from "./api";
import { play, type Answer } from "./story";

async function answer<T>(call: Promise<HttpResponse<T, Refus | RefusJeton>>): Promise<Answer<T>> {
  try {
    const { status, headers, data } = await call;
    return { statut: status, rejoue: headers.get("Idempotent-Replayed") === "true", data };
  } catch (thrown) {
    const { status, error } = thrown as HttpResponse<T, Refus>;
    return { statut: status, rejoue: false, code: error.code };
  }
}

await play((url, token) => {
  const api = new Api<string>({
    baseUrl: url,
    securityWorker: (jeton) => (jeton ? { headers: { Authorization: `Bearer ${jeton}` } } : {}),
  });
  api.setSecurityData(token ?? null);
  return {
    jeton: (form) => answer(api.accessToken.accessToken(form)),
    solde: (carte) => answer(api.getSoldeCarte.getSoldeCarte(carte)),
    page: (query) => answer(api.getListeCartes.getListeCartes(query)),
    credit: (demande) => answer(api.creditCarte.creditCarte(demande)),
    debit: (demande) => answer(api.debitCarte.debitCarte(demande)),
  };
});
