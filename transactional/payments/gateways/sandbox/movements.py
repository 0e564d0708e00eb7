"""The sandbox gateway's movements of money: those that are asked for at once are decided together, in one commit.

A worker asks for many captures at a time. What each of them cost in the sandbox's books, a commit, would be counted as the
shop's; with a real gateway it is the gateway's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from transactional.payments.gateways.interface import Movement
from transactional.payments.gateways.sandbox import store
from transactional.platform.database import Database
from transactional.platform.query import rows


@dataclass(slots=True)
class _Asked:
    key: str
    kind: str
    reference: str
    amount: Decimal
    answer: asyncio.Future[Movement] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Movements:
    """Captures, voids and refunds of one gateway. A charge is in a batch once: its second movement sees the first."""

    def __init__(self, gateway: str, books: Database) -> None:
        self._gateway = gateway
        self._books = books
        self._waiting: list[_Asked] = []
        self._deciding: asyncio.Task[None] | None = None

    async def move(self, kind: str, key: str, reference: str, amount: Decimal) -> Movement:
        """Decide one movement, once for its key; a repeat of the key gets the first answer."""
        asked = _Asked(key, kind, reference, amount)
        self._waiting.append(asked)
        if self._deciding is None:
            self._deciding = asyncio.create_task(self._decide())
        return await asked.answer

    async def _decide(self) -> None:
        await asyncio.sleep(0)  # whoever asks in this turn of the loop is in the same batch
        while self._waiting:
            batch = self._take()
            try:
                answers = await self._decided(batch)
            except Exception as error:  # whatever it is, it is those who asked who have to deal with it
                for asked in batch:
                    if not asked.answer.done():
                        asked.answer.set_exception(error)
                continue
            for asked in batch:
                if not asked.answer.done():  # who asked may have given up waiting
                    asked.answer.set_result(answers.get(asked.key, Movement(False, "unknown_charge")))
        self._deciding = None

    def _take(self) -> list[_Asked]:
        batch: dict[str, _Asked] = {}
        for asked in self._waiting:
            batch.setdefault(asked.reference, asked)
        taken = list(batch.values())
        self._waiting = [asked for asked in self._waiting if batch[asked.reference] is not asked]
        return taken

    async def _decided(self, batch: list[_Asked]) -> dict[str, Movement]:
        parameters = {
            "gateway": self._gateway,
            "keys": [asked.key for asked in batch],
            "kinds": [asked.kind for asked in batch],
            "references": [asked.reference for asked in batch],
            "amounts": [asked.amount for asked in batch],
        }
        async with self._books.connection() as connection:
            found = await rows(connection, store.MOVE, parameters)
            if len(found) < len(batch):
                found += await rows(connection, store.FIND_MOVEMENTS, {"keys": parameters["keys"]})
        return {row["idempotency_key"]: Movement(row["status"] == "done", row["reason"]) for row in found}
