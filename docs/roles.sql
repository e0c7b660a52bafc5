-- Two roles of PostgreSQL: whoever owns the tables migrates; cynod_service serves, and can change nothing
-- that is written of the journal, nor the tables, nor their triggers. Once, as an administrator:
--
--     CREATE ROLE cynod_owner LOGIN PASSWORD '…';
--     CREATE ROLE cynod_service LOGIN PASSWORD '…';
--     CREATE DATABASE cynod OWNER cynod_owner;
--
-- Then, after `cynod migrate` and again after each later one, as cynod_owner, or as an administrator before
-- PostgreSQL 15, where the schema is not the owner's:
--
--     psql --single-transaction --set ON_ERROR_STOP=1 --file docs/roles.sql cynod

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, cynod_service;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, cynod_service;
REVOKE ALL ON SCHEMA public FROM PUBLIC, cynod_service;
GRANT USAGE ON SCHEMA public TO cynod_service;

-- What a server reads: each table, so that a new one is thought of here.
GRANT SELECT ON
    acces, adresses_vues, agents, alembic_version, audit, audit_tete, cartes, clients, codes_retrait, comptes, consommations, demandes, ecritures,
    gestes, jetons, membres, numeros_carte, operations, partenaires, plafonds, profils_carte, regles_validation,
    reseaux, sceaux, secrets, validations
    TO cynod_service;

-- What it writes for good: operations with their ecritures, seals of them, and the audit, whose end moves on.
GRANT INSERT ON operations, ecritures, sceaux, audit TO cynod_service;
GRANT USAGE ON SEQUENCE operations_id_seq, ecritures_id_seq TO cynod_service;
GRANT UPDATE (position, empreinte) ON audit_tete TO cynod_service;

-- What partners change of their own: secrets, and cards that they block. It holds the row of a partner
-- meanwhile (FOR UPDATE), which PostgreSQL takes for a change of it: that of the number that ends tokens.
GRANT INSERT ON gestes, secrets TO cynod_service;
GRANT USAGE ON SEQUENCE gestes_id_seq, secrets_id_seq TO cynod_service;
GRANT UPDATE (resultat) ON gestes TO cynod_service;
GRANT UPDATE (expire_le, revoque_le, dernier_usage) ON secrets TO cynod_service;
GRANT UPDATE (statut, motif_statut, commentaire_statut, statut_avant_opposition, oppose_par, etat_version)
    ON cartes TO cynod_service;
GRANT UPDATE (generation) ON partenaires TO cynod_service;

-- What persons change through the back office: demandes and who agreed, which stay, agents and rules.
GRANT INSERT ON agents, demandes, validations TO cynod_service;
GRANT USAGE ON SEQUENCE agents_id_seq, demandes_id_seq TO cynod_service;
GRANT UPDATE (statut, traitee_par, traitee_le, motif_rejet, resultat, version_objet, empreinte)
    ON demandes TO cynod_service;
GRANT UPDATE (nom, email, roles, clients, statut, version, derniere_activite) ON agents TO cynod_service;
GRANT UPDATE (validations, forte, meme_personne, version) ON regles_validation TO cynod_service;
GRANT INSERT ON clients, membres, reseaux TO cynod_service;
GRANT USAGE ON SEQUENCE clients_id_seq, membres_id_seq, reseaux_id_seq TO cynod_service;
GRANT UPDATE (nom, reseau_id, statut, contact_nom, contact_email, contact_telephone, ninea, nombre_membres,
    nombre_cartes, version, cle_nom) ON clients TO cynod_service;
GRANT UPDATE (wallet_id, nom, prenom, email, telephone, numero_piece, date_naissance, statut, version,
    wallet_partage, cle_nom) ON membres TO cynod_service;
GRANT UPDATE (nombre_clients) ON reseaux TO cynod_service;

-- Cards, which keep their names, numbers and holders; their profiles, and how far numbers are drawn.
GRANT INSERT ON cartes, profils_carte, numeros_carte TO cynod_service;
GRANT USAGE ON SEQUENCE cartes_id_seq, profils_carte_id_seq TO cynod_service;
GRANT UPDATE (fin_validite, activee_le, annulee_par, renouvellements) ON cartes TO cynod_service;
GRANT UPDATE (nom, unite, validite_mois, prefixe, plafonds, hors_ligne_autorise, statut, version)
    ON profils_carte TO cynod_service;
GRANT UPDATE (suivant) ON numeros_carte TO cynod_service;

-- Limits: one that changes is written anew, and goes with the card that takes the place of another.
GRANT INSERT, DELETE ON plafonds TO cynod_service;
GRANT USAGE ON SEQUENCE plafonds_id_seq TO cynod_service;
GRANT UPDATE (carte_id, cree_le) ON plafonds TO cynod_service;
GRANT DELETE ON consommations TO cynod_service;
GRANT UPDATE (plafonnee) ON cartes TO cynod_service;
GRANT UPDATE (plafonne) ON partenaires TO cynod_service;

-- Partners too, who keep their key, their account and what their secrets are: a code of withdrawal gives a new one.
GRANT INSERT ON acces, codes_retrait, comptes, partenaires TO cynod_service;
GRANT USAGE ON SEQUENCE codes_retrait_id_seq, comptes_id_seq, partenaires_id_seq TO cynod_service;
GRANT UPDATE (nom, scopes, adresses, mode_adresses, basic_autorise, contact_email, contact_telephone, statut,
    revoque_le, version) ON partenaires TO cynod_service;
GRANT UPDATE (expire_le, utilise_le) ON codes_retrait TO cynod_service;
GRANT DELETE ON acces TO cynod_service;

-- What it keeps beside: the solde of a card, what limits have counted, tokens.
GRANT UPDATE (solde, version, date_solde) ON cartes TO cynod_service;
GRANT INSERT ON consommations TO cynod_service;
GRANT UPDATE (montant, nombre) ON consommations TO cynod_service;
GRANT INSERT, DELETE ON jetons TO cynod_service;
GRANT INSERT, DELETE ON adresses_vues TO cynod_service;
GRANT UPDATE (appels, refus, dernier_appel) ON adresses_vues TO cynod_service;
