"""Keeps the keys of personal fields at hand: opened before a worker serves, and what is added within a second.

So no request waits for a key management service, and no transaction is open meanwhile.
"""

from __future__ import annotations

import asyncio

import structlog

from transactional.platform.core import Core
from transactional.platform.encryption import cipher
from transactional.platform.key_stores import KeyStore, KeyStoreError

LOOK_SECONDS = 1.0
_LONGEST_PAUSE = 5.0
log = structlog.get_logger(__name__)


async def open_keys(_: Core) -> None:
    """A first step of who reads personal fields in requests. Waits until the keys can be had, and says why they cannot."""
    pause = 0.2
    while True:
        try:
            await asyncio.to_thread(_open, cipher().store)
            return
        except KeyStoreError as error:
            log.error("field_keys_not_opened", error=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _open(store: KeyStore) -> None:
    store.refresh()
    store.keys()


async def follow() -> None:
    """Look until cancelled. What was opened stays good whatever happens; what goes wrong is said once."""
    said = ""
    while True:
        try:
            await asyncio.to_thread(cipher().store.refresh)
            said = ""
        except KeyStoreError as error:
            if said != (said := str(error)):
                log.error("field_keys_not_followed", error=said)
        await asyncio.sleep(LOOK_SECONDS)
