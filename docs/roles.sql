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
    acces, alembic_version, cartes, clients, comptes, consommations, ecritures, jetons, membres, operations,
    partenaires, plafonds, sceaux, secrets
    TO cynod_service;

-- What it writes for good: operations with their ecritures, and seals of them.
GRANT INSERT ON operations, ecritures, sceaux TO cynod_service;
GRANT USAGE ON SEQUENCE operations_id_seq, ecritures_id_seq TO cynod_service;

-- What it keeps beside: the solde of a card, what limits have counted, tokens.
GRANT UPDATE (solde, version, date_solde) ON cartes TO cynod_service;
GRANT INSERT ON consommations TO cynod_service;
GRANT UPDATE (montant, nombre) ON consommations TO cynod_service;
GRANT INSERT, DELETE ON jetons TO cynod_service;
