"""Secrets, generated on first start and kept in ``secrets.json`` (mode 0600) in the data folder; never defaulted.

An environment variable ``LAKEFRONT_SECRET_<NAME>`` takes the place of a generated one, so that a deployment can hand them in.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets as random
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lakefront.settings import data_folder

MERCHANDISER = "merchandiser@lakefront.example"
"""The first merchandiser, whom the core registers on its first start."""


@dataclass(frozen=True)
class Secrets:
    """What must never be in the code, in a log or in an event."""

    token_private_key: str
    """Ed25519 key (PEM) that signs access tokens."""
    pseudonym_key: str
    """Keys the hashes of devices, cards and addresses that events carry."""
    blind_index_key: str
    """Keys the hashes by which encrypted fields, such as e-mail addresses, are found."""
    webhook_key: str
    """Signs the webhooks of the sandbox payment gateway (HMAC-SHA256)."""
    internal_key: str
    """Lets our own processes and tools (simulator, jobs, dashboards) act on the core's internal endpoints."""
    merchandiser_password: str
    """Password of the first merchandiser, merchandiser@lakefront.example."""
    session_key: str
    """Signs the dashboards' session cookie."""
    database_password: str
    """Password of the embedded PostgreSQL."""
    supervisor_password: str
    """Lets the command line talk to the supervisor of its data folder."""


def _generate() -> Secrets:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    others = {field.name: random.token_urlsafe(24) for field in fields(Secrets) if field.name != "token_private_key"}
    return Secrets(token_private_key=key, **others)


def where_password_stands(folder: Path) -> str:
    """Where a person finds the first merchandiser's password; the password itself is never shown."""
    variable = "LAKEFRONT_SECRET_MERCHANDISER_PASSWORD"
    return (
        f"the one in {variable}" if os.environ.get(variable) else f"merchandiser_password in {folder / 'secrets.json'}"
    )


def load_secrets(folder: Path) -> Secrets:
    """Read the secrets of a data folder; on first use generate them. Safe when several processes start at once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "secrets.json"
    with (folder / ".secrets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        values = json.loads(path.read_text()) if path.exists() else {}
        missing = [field.name for field in fields(Secrets) if field.name not in values]
        if missing:
            fresh = asdict(_generate())
            values |= {name: fresh[name] for name in missing}
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(values, indent=1))
            draft.replace(path)
    for field in fields(Secrets):
        values[field.name] = os.environ.get(f"LAKEFRONT_SECRET_{field.name.upper()}", values[field.name])
    return Secrets(**{field.name: values[field.name] for field in fields(Secrets)})


@lru_cache(maxsize=1)
def secrets() -> Secrets:
    """The secrets of this process's data folder."""
    return load_secrets(data_folder())


def keyed_hash(kind: str, value: str) -> str:
    """A keyed hash (32 hex digits) of a device, card token or address: equal values stay equal, none can be read back."""
    message = f"{kind}:{value}".encode()
    return hmac.new(secrets().pseudonym_key.encode(), message, hashlib.sha256).hexdigest()[:32]
