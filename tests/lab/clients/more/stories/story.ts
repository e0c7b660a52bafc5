// The whole story, told once for every client of TypeScript: each has a file beside this one that calls it.
export interface Carte {
  numeroCarte: string;
  walletId: string;
  clientId: string;
}

/** What a list says of a card. */
export interface CarteListee {
  numeroCarte: string;
  carteId: string;
  statut: string;
  motifStatut: string | null;
}

export interface Demande extends Carte {
  montant: number;
  reference: string;
}

export interface Mouvement {
  montant: number;
  soldeOnline: number;
  numeroOperation: string;
}

/** What every answer is, however a client tells it. */
export interface Answer<T> {
  statut: number;
  rejoue: boolean;
  data?: T;
  code?: string;
}

/** The operations of the story, by the client that is tried. */
export interface Api {
  jeton(form: { grant_type: "client_credentials"; client_id: string; client_secret: string }): Promise<
    Answer<{ access_token: string; token_type: string }>
  >;
  solde(carte: Carte): Promise<Answer<{ data: { soldeOnline: number }[] }>>;
  page(query: { clientId: string; limite: number; curseur?: string }): Promise<
    Answer<{ data: CarteListee[]; curseurSuivant: string | null }>
  >;
  credit(demande: Demande): Promise<Answer<{ data: Mouvement[] }>>;
  debit(demande: Demande): Promise<Answer<{ data: Mouvement[] }>>;
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("nothing was answered");
  return value;
}

const carte: Carte = { numeroCarte: setting("CARTE"), walletId: setting("WALLET"), clientId: setting("CLIENT") };

async function etats(api: Api): Promise<(string | null)[][]> {
  const page = present((await api.page({ clientId: carte.clientId, limite: 100 })).data);
  return page.data.map((one) => [one.carteId, one.statut, one.motifStatut]);
}

function demande(montant: number, reference: string, numeroCarte = carte.numeroCarte): Demande {
  return { ...carte, numeroCarte, montant, reference: `${setting("REFERENCE")}-${reference}` };
}

async function solde(api: Api): Promise<number> {
  return present(present((await api.solde(carte)).data).data[0]).soldeOnline;
}

async function pages(api: Api): Promise<string[][]> {
  const found: string[][] = [];
  let curseur: string | undefined;
  for (;;) {
    const query = { clientId: carte.clientId, limite: 2, ...(curseur ? { curseur } : {}) };
    const page = present((await api.page(query)).data);
    found.push(page.data.map((one) => one.numeroCarte));
    if (page.curseurSuivant === null) return found;
    curseur = page.curseurSuivant;
  }
}

function moved(answer: Answer<{ data: Mouvement[] }>) {
  const mouvement = present(present(answer.data).data[0]);
  return {
    montant: mouvement.montant,
    solde: mouvement.soldeOnline,
    numero: mouvement.numeroOperation,
    rejoue: answer.rejoue,
  };
}

function refused(answer: Answer<unknown>) {
  return { statut: answer.statut, code: present(answer.code) };
}

/** Play it, and print what was seen. */
export async function play(connect: (url: string, token?: string) => Api): Promise<void> {
  const form = { grant_type: "client_credentials", client_id: setting("KEY"), client_secret: setting("SECRET") } as const;
  const jeton = present((await connect(setting("URL")).jeton(form)).data);
  const api = connect(setting("URL"), jeton.access_token);
  const expired = connect(setting("URL"), setting("EXPIRED"));
  const down = connect(setting("DOWN"), setting("DOWN_TOKEN"));
  const suspended = connect(setting("URL"), setting("SUSPENDED"));
  const tomorrow = connect(setting("NEXT"), "x");
  const seen = {
    jeton: jeton.token_type,
    solde: await solde(api),
    pages: await pages(api),
    credit: moved(await api.credit(demande(1000, "C"))),
    debit: moved(await api.debit(demande(500, "D"))),
    encore: moved(await api.debit(demande(500, "D"))),
    insuffisant: refused(await api.debit(demande(999_999_999, "I"))),
    inconnue: refused(await api.solde({ ...carte, numeroCarte: "000000000000" })),
    expire: refused(await expired.solde(carte)),
    indisponible: refused(await down.debit(demande(500, "INDISPONIBLE"))),
    demain: { solde: await solde(tomorrow), ...refused(await tomorrow.debit(demande(500, "X"))) },
    etats: await etats(api),
    emise: refused(await api.debit(demande(500, "E", setting("EMISE")))),
    suspendu: refused(await suspended.solde(carte)),
  };
  console.log(JSON.stringify(seen));
}
