"""The keys that sign access tokens: one signs, those before it still verify, and a rotation adds the next.

The ring stands in a file that every worker looks at once a second, so that a rotation needs no restart. Until the first
rotation there is no file, and the only key is the one of the secrets. A new key is published before it signs, so that who
has read the published keys a while ago knows it; an old one verifies until its last token has ended.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lakefront.secrets import secrets
from lakefront.settings import settings

PUBLISHED_SECONDS = 300
"""For so long others may keep what they have read of the published keys; a new key is published so long before it signs."""
_LOOK_SECONDS = 1.0
_LEEWAY_SECONDS = 60


@dataclass(frozen=True)
class SigningKey:
    """A key of the ring."""

    pem: str
    signs_from: float = 0.0
    ends_at: float | None = None
    """From then on it verifies nothing; None: it is the newest."""

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        key = load_pem_private_key(self.pem.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("a token key must be an Ed25519 key")
        return key

    @cached_property
    def public(self) -> Ed25519PublicKey:
        return self.private.public_key()

    @cached_property
    def x(self) -> str:
        return _base64url(self.public.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @cached_property
    def kid(self) -> str:
        """The key's thumbprint (RFC 7638), the same wherever it is computed."""
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": self.x}, separators=(",", ":"), sort_keys=True)
        return _base64url(hashlib.sha256(members.encode()).digest())

    def is_good(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at


class Ring:
    """The keys of one moment."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self.keys = tuple(keys)
        self._by_kid = {key.kid: key for key in keys}
        self.verified: dict[str, Any] = {}
        """What was verified with these keys, and is forgotten with them."""

    def signer(self, now: float) -> SigningKey:
        """The newest key that signs already."""
        return max((key for key in self.keys if key.signs_from <= now), key=lambda key: key.signs_from)

    def verifier(self, kid: str | None, now: float) -> SigningKey | None:
        """The key of a token, None when it is not, or no longer, one of ours."""
        key = self._by_kid.get(kid or "")
        return key if key is not None and key.is_good(now) else None

    def published(self, now: float) -> list[dict[str, str]]:
        """The public keys as JSON Web Keys (RFC 7517, RFC 8037)."""
        return [
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": key.x}
            for key in self.keys
            if key.is_good(now)
        ]


def ring_file() -> Path:
    """Where the ring stands; several machines share one by naming it in the settings."""
    chosen = settings()
    return Path(chosen.token_keys_file) if chosen.token_keys_file else chosen.home / "token-keys.json"


def read_ring(path: Path) -> Ring:
    """The ring of a file; without one, the key of the secrets alone."""
    try:
        stored = json.loads(path.read_text())
    except FileNotFoundError:
        return Ring([SigningKey(secrets().token_private_key)])
    return Ring([SigningKey(**key) for key in stored["keys"]])


def rotate(path: Path, *, at_once: bool = False) -> SigningKey:
    """Add a key to the ring and let the others end; safe when two rotate at the same time.

    ``at_once`` is for a key that somebody else may have: the new one signs now, and no token of the old ones is good any
    more. Who has a refresh token gets new ones without logging in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        now = time.time()
        signs_from = now if at_once else now + PUBLISHED_SECONDS
        last_token = now if at_once else signs_from + settings().access_token_minutes * 60 + _LEEWAY_SECONDS
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        fresh = SigningKey(pem, signs_from)
        kept = [] if at_once else [key for key in read_ring(path).keys if key.is_good(now)]
        ending = [SigningKey(key.pem, key.signs_from, min(key.ends_at or last_token, last_token)) for key in kept]
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        keys = [{"pem": key.pem, "signs_from": key.signs_from, "ends_at": key.ends_at} for key in [*ending, fresh]]
        draft.write_text(json.dumps({"keys": keys}, indent=1))
        draft.replace(path)
    return fresh


class KeyRing:
    """The ring as this process knows it, at most a second old."""

    def __init__(self) -> None:
        self._ring: Ring | None = None
        self._read: tuple[Path, tuple[int, int] | None] | None = None
        self._looked_at = float("-inf")

    def now(self) -> Ring:
        """The ring. Looks at the file's stamp once a second, and reads it when that has changed."""
        moment = time.monotonic()
        if self._ring is None or moment - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = moment
            path = ring_file()
            found = path, _stamp(path)
            if self._ring is None or found != self._read:
                self._ring, self._read = read_ring(path), found
        return self._ring


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


ring = KeyRing()
