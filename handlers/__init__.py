"""The edge: HTTP, tokens, texts, settings, the command line.

May live here: one module per tag of the contract with one small function per operation, their
views, and the plumbing under `edge/`. May import: models, Connexion, Flask. Imported by: tests only.
"""

import warnings

# Connexion 3.3 imports starlette.testclient at start, which warns of the HTTP client it finds.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
