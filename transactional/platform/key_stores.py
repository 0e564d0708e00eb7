"""Where the keys of personal fields come from: a file in which they stand as they are, or wrapped by a key management service.

Keys are opened once a process and version. Whoever has them goes on working when the file or the service is away; only what is
new has to wait. A new version is announced before anybody writes under it, so that requests find it opened already and never
wait for the service themselves (``key_follower`` looks once a second).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SETTING = "LAKEFRONT_FIELD_KEYS_KMS"
_KEY_BITS = 256
_UNTIL_NEXT_TRY_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 0.25
_IN_THE_CLEAR = (
    "key {version} in {path} stands in the clear, and {setting} is set: run `lakefront accounts wrap-field-keys`"
)
_WRAPPED = (
    "key {version} in {path} is wrapped by the KMS key {by}: name that in {setting}, or by --from to wrap it anew"
)


class KeyStoreError(RuntimeError):
    """The keys cannot be had until somebody does what the message says."""


class KeysUnavailable(KeyStoreError):
    """The keys cannot be had just now."""


class KeyStore(Protocol):
    """Keys of 32 bytes by version, the same for all processes."""

    def keys(self, known: int | None = None) -> Mapping[int, bytes]:
        """The keys that are known. ``known`` is a version that has been seen in the data, and must be there: it is looked for
        now where nobody has looked for it yet. Raises KeyStoreError."""

    def newest(self) -> int:
        """The version to write under."""

    def add(self, announced: float = 0.0) -> int:
        """Make the next version, which is written under after so many seconds."""

    def refresh(self) -> None:
        """Take over what others have added. May go over the network: in a thread, and in no transaction."""


class Wrapping(Protocol):
    """How a key stands in the file."""

    is_sealed: bool

    def seal(self, version: int, key: bytes) -> Any:
        """What stands in the file for a key."""

    def open(self, version: int, entry: Any) -> bytes:
        """The key that an entry stands for. Raises KeyStoreError."""


class InTheClear:
    """As it is; who can read the file has the keys."""

    is_sealed = False

    def seal(self, version: int, key: bytes) -> str:
        return base64.b64encode(key).decode()

    def open(self, version: int, entry: Any) -> bytes:
        try:
            return base64.b64decode(entry, validate=True)
        except (TypeError, ValueError) as error:
            raise KeyStoreError(f"key {version} is no key: {error!r}") from error


class FileKeys:
    """Keys in a file of mode 0600, made on first use; several machines share one by naming it in the settings."""

    def __init__(self, path: Path, wrapping: Wrapping | None = None) -> None:
        self._path = path
        self._wrapping = wrapping or InTheClear()
        self._keys: dict[int, bytes] = {}
        self._used_from: dict[int, float] = {}
        self._refreshing = threading.Lock()
        self._failed: tuple[float, str] | None = None

    def keys(self, known: int | None = None) -> Mapping[int, bytes]:
        """See ``KeyStore``. Requests do not queue for a service that is away or refuses: it is then not asked for a moment."""
        if self._keys and (known is None or known in self._keys):
            return self._keys
        if not self._refreshing.acquire(timeout=_LONGEST_WAIT_SECONDS if self._keys else -1):
            raise KeysUnavailable(f"key {known} in {self._path} is being opened")
        try:
            if known is None or known not in self._keys:
                if self._failed and time.monotonic() - self._failed[0] < _UNTIL_NEXT_TRY_SECONDS:
                    raise KeysUnavailable(self._failed[1])
                self._refresh()
        finally:
            self._refreshing.release()
        if not self._keys and known is None:
            self._add(first=True, announced=0.0)
            self.refresh()
        if known is not None and known not in self._keys:
            raise KeyStoreError(f"there is no key {known} in {self._path}, and something is encrypted under it")
        return self._keys

    def newest(self) -> int:
        """See ``KeyStore``."""
        keys, now = self.keys(), time.time()
        return max((version for version in keys if self._used_from.get(version, 0.0) <= now), default=max(keys))

    def add(self, announced: float = 0.0) -> int:
        """See ``KeyStore``. Safe when two do so at the same time."""
        self.keys()
        return self._add(first=False, announced=announced)

    def refresh(self) -> None:
        """See ``KeyStore``."""
        with self._refreshing:
            self._refresh()

    def _refresh(self) -> None:
        """What can be opened is taken over, whatever becomes of the rest."""
        stored = self._read()
        if self._keys and not stored["keys"]:
            raise KeyStoreError(f"{self._path} is gone: put it back before the next start")
        self._used_from = stored["used_from"]
        for version, entry in stored["keys"].items():
            if version not in self._keys:
                try:
                    self._keys = self._keys | {version: self._open(version, entry)}
                except KeyStoreError as error:
                    self._failed = time.monotonic(), str(error)
                    raise
        self._failed = None

    def move_to(self, other: Wrapping) -> int:
        """Let the same keys stand in the file in another way, all or none; how many there are."""
        with self._locked():
            stored = self._read()
            if not stored["keys"]:
                raise KeyStoreError(f"there are no keys in {self._path}")
            keys = {version: self._open(version, entry) for version, entry in stored["keys"].items()}
            self._write({version: other.seal(version, key) for version, key in keys.items()}, stored["used_from"])
        return len(keys)

    def _add(self, *, first: bool, announced: float) -> int:
        with self._locked():
            stored = self._read()
            if first and stored["keys"]:  # another process was faster
                return max(stored["keys"])
            for number, entry in stored["keys"].items():
                self._check_kind(number, entry)
            version, key = max(stored["keys"], default=0) + 1, AESGCM.generate_key(_KEY_BITS)
            now = time.time()
            pending = {number: moment for number, moment in stored["used_from"].items() if moment > now}
            used_from = pending | ({version: now + announced} if announced else {})
            self._write(stored["keys"] | {version: self._wrapping.seal(version, key)}, used_from)
        with self._refreshing:
            self._used_from, self._keys = used_from, self._keys | {version: key}
        return version

    def _open(self, version: int, entry: Any) -> bytes:
        self._check_kind(version, entry)
        key = self._wrapping.open(version, entry)
        if len(key) * 8 != _KEY_BITS:
            raise KeyStoreError(f"key {version} in {self._path} is none of {_KEY_BITS} bits")
        return key

    def _check_kind(self, version: int, entry: Any) -> None:
        """A wrapped file takes no plain key: who can write the file could bring the shop to write under a key of theirs."""
        is_sealed, named = isinstance(entry, dict), {"version": version, "path": self._path, "setting": SETTING}
        if is_sealed and not self._wrapping.is_sealed:
            raise KeyStoreError(_WRAPPED.format(by=entry.get("by"), **named))
        if not is_sealed and self._wrapping.is_sealed:
            raise KeyStoreError(_IN_THE_CLEAR.format(**named))

    def _read(self) -> dict[str, dict[int, Any]]:
        try:
            stored = json.loads(self._path.read_text())
            return {
                part: {int(version): found for version, found in stored.get(part, {}).items()}
                for part in ("keys", "used_from")
            }
        except FileNotFoundError:
            return {"keys": {}, "used_from": {}}
        except (OSError, ValueError, AttributeError) as error:
            raise KeyStoreError(f"{self._path} cannot be read as a file of field keys: {error}") from error

    def _write(self, entries: Mapping[int, Any], used_from: Mapping[int, float]) -> None:
        """On the disk before anything is encrypted under it: the database would outlive its keys in a power cut."""
        draft = self._path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        with draft.open("w") as file:
            json.dump({"keys": entries, "used_from": used_from}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time changes the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
