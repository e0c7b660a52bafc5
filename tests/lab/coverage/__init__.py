"""What of openapi.yaml the tests observed: `make contract-coverage`.

`recording` keeps the exchanges of a run of pytest (`tests.support.exchanges` writes them), `values` says in
which way a value breaks its schema, `cells` lists what the contract declares, `observe` finds it in
the exchanges, `report` and `page` tell it. May import tests.support.contract_client; nothing that serves.
"""
