"""This contract and these handlers, served by Connexion as it comes: strict, answers checked too."""

from __future__ import annotations

import os

import uvicorn

from handlers.app import open_database
from handlers.edge.contract import load
from handlers.settings import read_settings
from tests.upstream import build_upstream

_settings = read_settings()
app = build_upstream(load(_settings.contract), _settings, open_database(_settings))

if __name__ == "__main__":
    uvicorn.run(
        "tests.bench.peers.connexion_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
    )
