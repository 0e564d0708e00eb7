"""What Feast's registry was last brought in line with, so that an unchanged start need not import Feast.

The note stands in the registry's own metadata table: whoever drops the registry drops it too.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg.errors import UndefinedTable

from lakefront.clock import real_now
from lakefront.feast_encoding import PROJECT
from lakefront.settings import settings

_KEY = "lakefront_fingerprint"
_READ = "SELECT metadata_value FROM feast.feast_metadata WHERE project_id = %s AND metadata_key = %s"
_WRITE = """
INSERT INTO feast.feast_metadata (project_id, metadata_key, metadata_value, last_updated_timestamp) VALUES (%s, %s, %s, %s)
ON CONFLICT (project_id, metadata_key) DO UPDATE
   SET metadata_value = excluded.metadata_value, last_updated_timestamp = excluded.last_updated_timestamp
"""


def fingerprint() -> str:
    """Hash of everything that the registry's content depends on: this package, Feast's release, the lake's place."""
    digest = hashlib.sha256(f"{version('feast')} {settings().lake_uri}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_applied() -> bool:
    """True when the registry was brought in line with this very state."""
    with psycopg.connect(settings().database_url, autocommit=True) as connection:
        try:
            row = connection.execute(_READ, [PROJECT, _KEY]).fetchone()
        except UndefinedTable:
            return False
    return row is not None and row[0] == fingerprint()


def remember() -> None:
    """Note that the registry is in line now."""
    with psycopg.connect(settings().database_url, autocommit=True) as connection:
        connection.execute(_WRITE, [PROJECT, _KEY, fingerprint(), int(real_now().timestamp())])
