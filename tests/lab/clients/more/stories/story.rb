# The whole story with the client of openapi-generator for Ruby, as its README says to use it.
require "json"
require "uri"
require "cynod_client"

CARTE = { numero_carte: ENV.fetch("CARTE"), wallet_id: ENV.fetch("WALLET"), client_id: ENV.fetch("CLIENT") }.freeze

def api(url)
  uri = URI(url)
  configuration = CynodClient::Configuration.new
  configuration.scheme = uri.scheme
  configuration.host = "#{uri.host}:#{uri.port}"
  configuration.server_index = nil # the host above, not the first of the contract's servers
  yield configuration
  CynodClient::ApiClient.new(configuration)
end

def with_token(url, token)
  api(url) { |configuration| configuration.access_token = token }
end

def token
  pair = api(ENV.fetch("URL")) do |configuration|
    configuration.username = ENV.fetch("KEY")
    configuration.password = ENV.fetch("SECRET")
  end
  CynodClient::AuthentificationApi.new(pair).access_token("client_credentials")
end

def solde(client, numero = CARTE[:numero_carte])
  cartes = CynodClient::CartesApi.new(client)
  cartes.get_solde_carte(numero, CARTE[:wallet_id], CARTE[:client_id]).data.first.solde_online
end

def pages(client)
  found = []
  curseur = nil
  loop do
    query = curseur.nil? ? { limite: 2 } : { limite: 2, curseur: curseur }
    page = CynodClient::CartesApi.new(client).get_liste_cartes(CARTE[:client_id], query)
    found << page.data.map(&:numero_carte)
    curseur = page.curseur_suivant
    return found if curseur.nil?
  end
end

def etats(client)
  cartes = CynodClient::CartesApi.new(client).get_liste_cartes(CARTE[:client_id]).data
  cartes.map { |one| [one.carte_id, one.statut, one.motif_statut] }
end

def demande(montant, reference, numero = CARTE[:numero_carte])
  CynodClient::DemandeMouvement.new(**CARTE, numero_carte: numero, montant: montant, reference: "#{ENV.fetch('REFERENCE')}-#{reference}")
end

def moved(answer)
  data, _status, headers = answer
  mouvement = data.data.first
  {
    montant: mouvement.montant,
    solde: mouvement.solde_online,
    numero: mouvement.numero_operation,
    rejoue: headers["Idempotent-Replayed"] == "true"
  }
end

def refused
  yield
  raise "it was not refused"
rescue CynodClient::ApiError => e
  { statut: e.code, code: JSON.parse(e.response_body)["code"] }
end

jeton = token
client = with_token(ENV.fetch("URL"), jeton.access_token)
mouvements = CynodClient::MouvementsApi.new(client)
down = CynodClient::MouvementsApi.new(with_token(ENV.fetch("DOWN"), ENV.fetch("DOWN_TOKEN")))
tomorrow = with_token(ENV.fetch("NEXT"), "x")
seen = {
  jeton: jeton.token_type,
  solde: solde(client),
  pages: pages(client),
  credit: moved(mouvements.credit_carte_with_http_info(demande(1000, "C"))),
  debit: moved(mouvements.debit_carte_with_http_info(demande(500, "D"))),
  encore: moved(mouvements.debit_carte_with_http_info(demande(500, "D"))),
  insuffisant: refused { mouvements.debit_carte(demande(999_999_999, "I")) },
  inconnue: refused { solde(client, "000000000000") },
  expire: refused { solde(with_token(ENV.fetch("URL"), ENV.fetch("EXPIRED"))) },
  indisponible: refused { down.debit_carte(demande(500, "INDISPONIBLE")) },
  demain: {
    solde: solde(tomorrow),
    **refused { CynodClient::MouvementsApi.new(tomorrow).debit_carte(demande(500, "X")) }
  },
  etats: etats(client),
  emise: refused { mouvements.debit_carte(demande(500, "E", ENV.fetch("EMISE"))) },
  suspendu: refused { solde(with_token(ENV.fetch("URL"), ENV.fetch("SUSPENDED"))) }
}
puts JSON.generate(seen)
