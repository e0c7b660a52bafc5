from tests.operations.answers import CONTRACT
from tests.contract_client import CATALOGUE
def test_missing(backend, record):
    for name in ("getOperation","cloturerReference","annulerOperation","getHistoriqueCarte","verifierReferences","transfererSolde","mesDroits"):
        d={(name,200,"200")}|{(name,CATALOGUE[c]["statut"],c) for c in CONTRACT[name]["x-codes-erreur"]}
        seen={x for x in record.seen[backend] if x[0]==name}
        print("MISSING",backend,name,sorted(d-seen),sorted(seen-d))
