// The whole story with openapi-generator's client for Java (library `native`), as its README says to use it.
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import cynod.client.ApiClient;
import cynod.client.ApiException;
import cynod.client.ApiResponse;
import cynod.client.api.AuthentificationApi;
import cynod.client.api.CartesApi;
import cynod.client.api.MouvementsApi;
import cynod.client.model.CarteListe;
import cynod.client.model.DemandeMouvement;
import cynod.client.model.Jeton;
import cynod.client.model.Mouvement;
import cynod.client.model.Refus;
import cynod.client.model.ReponseListeCartes;
import cynod.client.model.ReponseMouvement;

public final class Story {
    static final ObjectMapper JSON = ApiClient.createDefaultObjectMapper();
    static final String CARTE = System.getenv("CARTE");
    static final String WALLET = System.getenv("WALLET");
    static final String CLIENT = System.getenv("CLIENT");
    static String token;

    interface Call {
        void run() throws ApiException;
    }

    static ApiClient api(String url, String token) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        if (token != null) {
            client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
        }
        return client;
    }

    private static double solde(ApiClient client) throws ApiException {
        return new CartesApi(client).getSoldeCarte(CARTE, WALLET, CLIENT).getData().get(0).getSoldeOnline();
    }

    private static List<List<String>> pages(ApiClient client) throws ApiException {
        List<List<String>> found = new ArrayList<>();
        String curseur = null;
        do {
            ReponseListeCartes page = new CartesApi(client).getListeCartes(CLIENT, null, null, 2, curseur);
            found.add(page.getData().stream().map(CarteListe::getNumeroCarte).toList());
            curseur = page.getCurseurSuivant();
        } while (curseur != null);
        return found;
    }

    static DemandeMouvement demande(String numero, long montant, String reference) {
        return new DemandeMouvement()
                .numeroCarte(numero)
                .walletId(WALLET)
                .clientId(CLIENT)
                .montant(montant)
                .reference(System.getenv("REFERENCE") + "-" + reference);
    }

    private static Map<String, Object> moved(ApiResponse<ReponseMouvement> answer) {
        Mouvement mouvement = answer.getData().getData().get(0);
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("montant", mouvement.getMontant());
        told.put("solde", mouvement.getSoldeOnline());
        told.put("numero", mouvement.getNumeroOperation());
        told.put("rejoue", answer.getHeaders().containsKey("idempotent-replayed"));
        return told;
    }

    static Map<String, Object> refused(Call call) throws Exception {
        try {
            call.run();
        } catch (ApiException error) {
            Refus refus = JSON.readValue(error.getResponseBody(), Refus.class);
            Map<String, Object> told = new LinkedHashMap<>();
            told.put("statut", error.getCode());
            told.put("code", refus.getCode());
            return told;
        }
        throw new IllegalStateException("it was not refused");
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println(JSON.writeValueAsString(tell(new LinkedHashMap<>())));
    }

    /** What is seen; the token of the story is left in `token`. */
    static Map<String, Object> tell(Map<String, Object> seen) throws Exception {
        String url = System.getenv("URL");
        Jeton jeton = new AuthentificationApi(api(url, null))
                .accessToken("client_credentials", System.getenv("KEY"), System.getenv("SECRET"), null);
        seen.put("jeton", jeton.getTokenType());
        token = jeton.getAccessToken();
        ApiClient client = api(url, token);
        MouvementsApi mouvements = new MouvementsApi(client);
        seen.put("solde", solde(client));
        seen.put("pages", pages(client));
        seen.put("credit", moved(mouvements.creditCarteWithHttpInfo(demande(CARTE, 1000, "C"))));
        seen.put("debit", moved(mouvements.debitCarteWithHttpInfo(demande(CARTE, 500, "D"))));
        seen.put("encore", moved(mouvements.debitCarteWithHttpInfo(demande(CARTE, 500, "D"))));
        seen.put("insuffisant", refused(() -> mouvements.debitCarte(demande(CARTE, 999_999_999L, "I"))));
        seen.put("inconnue", refused(() -> new CartesApi(client).getSoldeCarte("000000000000", WALLET, CLIENT)));
        ApiClient expired = api(url, System.getenv("EXPIRED"));
        seen.put("expire", refused(() -> new CartesApi(expired).getSoldeCarte(CARTE, WALLET, CLIENT)));
        MouvementsApi down = new MouvementsApi(api(System.getenv("DOWN"), System.getenv("DOWN_TOKEN")));
        seen.put("indisponible", refused(() -> down.debitCarte(demande(CARTE, 500, "INDISPONIBLE"))));
        ApiClient tomorrow = api(System.getenv("NEXT"), "x");
        Map<String, Object> demain = new LinkedHashMap<>();
        demain.put("solde", solde(tomorrow));
        demain.putAll(refused(() -> new MouvementsApi(tomorrow).debitCarte(demande(CARTE, 500, "X"))));
        seen.put("demain", demain);
        return seen;
    }
}
