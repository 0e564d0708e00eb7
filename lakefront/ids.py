"""Identifiers: UUIDv7 (RFC 9562), which sort by the time at which they were made."""

from __future__ import annotations

from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """A fresh UUIDv7, unique across processes, later ones greater within a process."""
    return compat.uuid7()
