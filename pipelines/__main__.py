"""``python -m pipelines apply``: what ``lakefront up`` runs before it starts Dagster."""

from __future__ import annotations

import sys

from pipelines.preparation import apply

if __name__ == "__main__":
    if sys.argv[1:] != ["apply"]:
        raise SystemExit("usage: python -m pipelines apply")
    apply()
