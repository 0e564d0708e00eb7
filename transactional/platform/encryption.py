"""Personal fields are encrypted one by one: AES-256-GCM under a key with a version, bound to the row and column they stand in.

A stored field is a format byte, the key's version, a nonce and what AES-GCM makes of the text. What it stands in is
authenticated with it, so that nobody who can write the table moves one person's field to another. Keys come from behind an
interface: a file by default. A rotation adds a version; what was written under those before stays readable.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lakefront.secrets import secrets
from lakefront.settings import settings

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_VERSION_BYTES = 4
_HEAD_BYTES = len(_FORMAT) + _VERSION_BYTES
_LOOK_SECONDS = 1.0


class KeyStore(Protocol):
    """Where the keys come from: a file, or a key management service."""

    def keys(self, known: int | None = None) -> dict[int, bytes]:
        """All keys by version, of 32 bytes each. ``known`` is a version that has been seen in the data, and must be there."""

    def add(self) -> int:
        """Make the next version."""


class FileKeys:
    """Keys in a file of mode 0600, made on first use; several machines share one by naming it in the settings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[int, bytes] = {}
        self._looked_at = float("-inf")

    def keys(self, known: int | None = None) -> dict[int, bytes]:
        """The keys, as of a second ago at most; at once where a version is asked for that is not known yet."""
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS or (known is not None and known not in self._keys):
            self._looked_at = time.monotonic()
            if not self._path.exists():
                self._write_next(first=True)
            self._keys = self._read()
        return self._keys

    def add(self) -> int:
        """Add a key; safe when two do so at the same time."""
        self._looked_at = float("-inf")
        return self._write_next(first=False)

    def _read(self) -> dict[int, bytes]:
        stored = json.loads(self._path.read_text())["keys"] if self._path.exists() else {}
        return {int(version): base64.b64decode(key) for version, key in stored.items()}

    def _write_next(self, *, first: bool) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self._read()
            if first and keys:  # another process was faster
                return max(keys)
            version = max(keys, default=0) + 1
            keys[version] = AESGCM.generate_key(256)
            draft = self._path.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            encoded = {str(number): base64.b64encode(key).decode() for number, key in keys.items()}
            draft.write_text(json.dumps({"keys": encoded}, indent=1))
            draft.replace(self._path)
            return version


class Cipher:
    """Encrypts and decrypts fields. ``context`` names the place: "second_factors.secret:<id>"."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store

    def encrypt(self, text: str, context: str) -> bytes:
        """The field as it is stored, under the newest key."""
        keys = self.store.keys()
        version = max(keys)
        nonce = os.urandom(_NONCE_BYTES)
        head = _FORMAT + version.to_bytes(_VERSION_BYTES, "big")
        return head + nonce + AESGCM(keys[version]).encrypt(nonce, text.encode(), head + context.encode())

    def decrypt(self, field: bytes, context: str) -> str:
        """The text. Raises ``cryptography.exceptions.InvalidTag`` where the field was altered or stands in another place."""
        head, rest = bytes(field[:_HEAD_BYTES]), bytes(field[_HEAD_BYTES:])
        key = self.store.keys(version_of(field))[version_of(field)]
        return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + context.encode()).decode()


def blind_index(place: str, text: str) -> bytes:
    """What an encrypted field is found by: a keyed hash, equal for equal texts. Its key is a secret that does not rotate with
    those of the fields: rows under two keys could hold the same address twice."""
    return hmac.new(secrets().blind_index_key.encode(), f"{place}:{text}".encode(), hashlib.sha256).digest()


def version_of(field: bytes) -> int:
    """The version of the key that a stored field needs."""
    if bytes(field[:1]) != _FORMAT:
        raise ValueError("not an encrypted field")
    return int.from_bytes(field[1:_HEAD_BYTES], "big")


@lru_cache(maxsize=1)
def cipher() -> Cipher:
    """The cipher of this process."""
    chosen = settings()
    path = Path(chosen.field_keys_file) if chosen.field_keys_file else chosen.home / "field-keys.json"
    return Cipher(FileKeys(path))
