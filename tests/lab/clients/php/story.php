<?php
// The whole story with openapi-generator's client for PHP, as its README says to use it.
declare(strict_types=1);

use Cynod\Client\Api\AuthentificationApi;
use Cynod\Client\Api\CartesApi;
use Cynod\Client\Api\MouvementsApi;
use Cynod\Client\ApiException;
use Cynod\Client\Configuration;
use Cynod\Client\Model\DemandeMouvement;
use Cynod\Client\Model\Refus;

require getenv('GUZZLE');
spl_autoload_register(static function (string $class): void {
    $prefix = 'Cynod\\Client\\';
    if (str_starts_with($class, $prefix)) {
        require getenv('LIB') . '/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
    }
});

$carte = getenv('CARTE');
$wallet = getenv('WALLET');
$client = getenv('CLIENT');

function configuration(string $url, ?string $token = null): Configuration
{
    $made = (new Configuration())->setHost($url);
    return $token === null ? $made : $made->setAccessToken($token);
}

function cartes(Configuration $configuration): CartesApi
{
    return new CartesApi(null, $configuration);
}

function mouvements(Configuration $configuration): MouvementsApi
{
    return new MouvementsApi(null, $configuration);
}

function solde(Configuration $configuration): float
{
    global $carte, $wallet, $client;
    return cartes($configuration)->getSoldeCarte($carte, $wallet, $client)->getData()[0]->getSoldeOnline();
}

function pages(Configuration $configuration): array
{
    global $client;
    $found = [];
    $curseur = null;
    do {
        $page = cartes($configuration)->getListeCartes($client, null, null, 2, $curseur);
        $found[] = array_map(static fn ($one) => $one->getNumeroCarte(), $page->getData());
        $curseur = $page->getCurseurSuivant();
    } while ($curseur !== null);
    return $found;
}

function etats(Configuration $configuration): array
{
    global $client;
    return array_map(
        static fn ($one) => [$one->getCarteId(), $one->getStatut(), $one->getMotifStatut()],
        cartes($configuration)->getListeCartes($client)->getData(),
    );
}

function demande(int $montant, string $reference, ?string $numero = null): DemandeMouvement
{
    global $carte, $wallet, $client;
    return (new DemandeMouvement())
        ->setNumeroCarte($numero ?? $carte)
        ->setWalletId($wallet)
        ->setClientId($client)
        ->setMontant($montant)
        ->setReference(getenv('REFERENCE') . '-' . $reference);
}

function moved(array $answer): array
{
    [$body, , $headers] = $answer;
    $mouvement = $body->getData()[0];
    $names = array_change_key_case($headers);
    return [
        'montant' => $mouvement->getMontant(),
        'solde' => $mouvement->getSoldeOnline(),
        'numero' => $mouvement->getNumeroOperation(),
        'rejoue' => ($names['idempotent-replayed'][0] ?? null) === 'true',
    ];
}

function refused(callable $call): array
{
    try {
        $call();
    } catch (ApiException $error) {
        $refus = $error->getResponseObject();
        assert($refus instanceof Refus);
        return ['statut' => $error->getCode(), 'code' => $refus->getCode()];
    }
    throw new LogicException('it was not refused');
}

$seen = [];
$jeton = (new AuthentificationApi(null, configuration(getenv('URL'))))
    ->accessToken('client_credentials', getenv('KEY'), getenv('SECRET'));
$seen['jeton'] = $jeton->getTokenType();
$mine = configuration(getenv('URL'), $jeton->getAccessToken());
$seen['solde'] = solde($mine);
$seen['pages'] = pages($mine);
$seen['credit'] = moved(mouvements($mine)->creditCarteWithHttpInfo(demande(1000, 'C')));
$seen['debit'] = moved(mouvements($mine)->debitCarteWithHttpInfo(demande(500, 'D')));
$seen['encore'] = moved(mouvements($mine)->debitCarteWithHttpInfo(demande(500, 'D')));
$seen['insuffisant'] = refused(static fn () => mouvements($mine)->debitCarte(demande(999_999_999, 'I')));
$seen['inconnue'] = refused(static fn () => cartes($mine)->getSoldeCarte('000000000000', $wallet, $client));
$expired = configuration(getenv('URL'), getenv('EXPIRED'));
$seen['expire'] = refused(static fn () => cartes($expired)->getSoldeCarte($carte, $wallet, $client));
$down = configuration(getenv('DOWN'), getenv('DOWN_TOKEN'));
$seen['indisponible'] = refused(static fn () => mouvements($down)->debitCarte(demande(500, 'INDISPONIBLE')));
$tomorrow = configuration(getenv('NEXT'), 'x');
$seen['demain'] = [
    'solde' => solde($tomorrow),
    ...refused(static fn () => mouvements($tomorrow)->debitCarte(demande(500, 'X'))),
];
if (getenv('EMISE') !== false) {
    $seen['etats'] = etats($mine);
    $seen['emise'] = refused(static fn () => mouvements($mine)->debitCarte(demande(500, 'E', getenv('EMISE'))));
    $suspended = configuration(getenv('URL'), getenv('SUSPENDED'));
    $seen['suspendu'] = refused(static fn () => cartes($suspended)->getSoldeCarte($carte, $wallet, $client));
}
echo json_encode($seen, JSON_THROW_ON_ERROR), "\n";
