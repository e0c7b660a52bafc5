// The client of openapi-generator for axios, as its README says to use it.
import { isAxiosError, type AxiosResponse } from "axios";
import { AuthentificationApi, CartesApi, Configuration, MouvementsApi, type Refus } from "./index";
import { play, type Answer } from "./story";

async function answer<T>(call: Promise<AxiosResponse<T>>): Promise<Answer<T>> {
  try {
    const { status, headers, data } = await call;
    return { statut: status, rejoue: headers["idempotent-replayed"] === "true", data };
  } catch (error) {
    if (!isAxiosError<Refus>(error) || !error.response) throw error;
    return { statut: error.response.status, rejoue: false, code: error.response.data.code };
  }
}

await play((url, token) => {
  const configuration = new Configuration({ basePath: url, ...(token ? { accessToken: token } : {}) });
  const cartes = new CartesApi(configuration);
  const mouvements = new MouvementsApi(configuration);
  return {
    jeton: ({ grant_type, client_id, client_secret }) =>
      answer(new AuthentificationApi(configuration).accessToken(grant_type, client_id, client_secret)),
    solde: ({ numeroCarte, walletId, clientId }) => answer(cartes.getSoldeCarte(numeroCarte, walletId, clientId)),
    page: ({ clientId, limite, curseur }) =>
      answer(cartes.getListeCartes(clientId, undefined, undefined, limite, curseur)),
    credit: (demande) => answer(mouvements.creditCarte(demande)),
    debit: (demande) => answer(mouvements.debitCarte(demande)),
  };
});
