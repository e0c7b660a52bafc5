// The rest of the story: what clients of contracts before 1.5.0 have no field for.
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import cynod.client.ApiClient;
import cynod.client.ApiException;
import cynod.client.api.CartesApi;
import cynod.client.api.MouvementsApi;
import cynod.client.model.CarteListe;

public final class Etats {
    private static List<List<String>> etats(ApiClient client) throws ApiException {
        List<List<String>> found = new ArrayList<>();
        for (CarteListe one : new CartesApi(client).getListeCartes(Story.CLIENT, null, null, null, null).getData()) {
            List<String> told = new ArrayList<>();
            told.add(one.getCarteId());
            told.add(one.getStatut());
            told.add(one.getMotifStatut());
            found.add(told);
        }
        return found;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> seen = Story.tell(new LinkedHashMap<>());
        String url = System.getenv("URL");
        ApiClient client = Story.api(url, Story.token);
        seen.put("etats", etats(client));
        String emise = System.getenv("EMISE");
        seen.put("emise", Story.refused(() -> new MouvementsApi(client).debitCarte(Story.demande(emise, 500, "E"))));
        ApiClient suspended = Story.api(url, System.getenv("SUSPENDED"));
        seen.put(
                "suspendu",
                Story.refused(() -> new CartesApi(suspended).getSoldeCarte(Story.CARTE, Story.WALLET, Story.CLIENT)));
        System.out.println(Story.JSON.writeValueAsString(seen));
    }
}
