"""Personal fields are encrypted one by one: AES-256-GCM under a key with a version, bound to the row and column they stand in.

A stored field is a format byte, the key's version, a nonce and what AES-GCM makes of the text. What it stands in is
authenticated with it, so that nobody who can write the table moves one person's field to another. Keys come from behind an
interface: a file by default, whose keys a key management service wraps where a setting names one. A rotation adds a version;
what was written under those before stays readable.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lakefront.secrets import secrets
from lakefront.settings import settings
from transactional.platform.key_stores import FileKeys, KeyStore, Wrapping

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_VERSION_BYTES = 4
_HEAD_BYTES = len(_FORMAT) + _VERSION_BYTES


class Cipher:
    """Encrypts and decrypts fields. ``context`` names the place: "second_factors.secret:<id>"."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store

    def encrypt(self, text: str, context: str) -> bytes:
        """The field as it is stored, under the newest key."""
        version = self.store.newest()
        nonce = os.urandom(_NONCE_BYTES)
        head = _FORMAT + version.to_bytes(_VERSION_BYTES, "big")
        return head + nonce + AESGCM(self.store.keys()[version]).encrypt(nonce, text.encode(), head + context.encode())

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


def field_keys_file() -> Path:
    """Where the keys stand."""
    chosen = settings()
    return Path(chosen.field_keys_file) if chosen.field_keys_file else chosen.home / "field-keys.json"


def open_key_store() -> FileKeys:
    """The keys as the settings name them."""
    return FileKeys(field_keys_file(), wrapping_by(settings().field_keys_kms))


def wrapping_by(kms_key: str) -> Wrapping | None:
    """How keys stand in the file: wrapped by this key of the KMS; without one, as they are."""
    if not kms_key:
        return None
    from transactional.platform.kms import KmsWrapping

    return KmsWrapping(kms_key)


@lru_cache(maxsize=1)
def cipher() -> Cipher:
    """The cipher of this process."""
    return Cipher(open_key_store())
