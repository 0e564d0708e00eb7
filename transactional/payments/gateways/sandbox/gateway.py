"""The sandbox gateway, misbehaving by the token that pays.

``tok_decline_…`` is declined as any gateway would decline it, ``tok_refuse_<gateway>_…`` (or ``tok_refuse_every_…``) is
refused by that gateway itself, ``tok_timeout_…`` is charged but the answer never comes, ``tok_twice_…`` is answered
and then told again by two webhooks, ``tok_late_…`` is told as 'processing' and decided some seconds later. Every
other token pays.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import orjson

from lakefront.clock import iso, real_now
from lakefront.ids import new_id
from transactional.payments.gateways.interface import Authorization, Charge, Movement
from transactional.payments.gateways.sandbox import store
from transactional.payments.gateways.sandbox.movements import Movements
from transactional.platform.database import Database
from transactional.platform.query import Row, document, first

LATE_SECONDS = 3.0
HANG_SECONDS = 30.0
REFUSED = "processing_error"


class SandboxGateway:
    """Keeps its books in a schema of its own; each call commits by itself, never within a transaction of the core."""

    def __init__(
        self,
        books: Database,
        *,
        name: str = "sandbox",
        late_seconds: float = LATE_SECONDS,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self.name = name
        self._books = books
        self._late_seconds = late_seconds
        self._hang_seconds = hang_seconds
        self._movements = Movements(name, books)

    async def authorize(self, request: Authorization) -> Charge:
        reason = self._refusal(request.token)
        late = request.token.startswith("tok_late_")
        charge = await self._row(
            store.AUTHORIZE,
            {
                "charge": document(
                    {
                        "gateway": self.name,
                        "reference": f"ch_{new_id().hex}",
                        "key": request.key,
                        "merchant_reference": request.merchant_reference,
                        "token": request.token,
                        "amount": request.amount,
                        "currency": request.currency,
                        "status": "declined" if reason else "authorized",
                        "reason": reason,
                        "answers_in": self._late_seconds if late else 0.0,
                    }
                )
            },
        )
        assert charge is not None, "an upsert returns its row"
        if request.token.startswith("tok_timeout_"):
            await asyncio.sleep(self._hang_seconds)
        if charge["requests"] == 1 and (late or request.token.startswith("tok_twice_")):
            await self._announce(request, self._late_seconds if late else 0.0)
        return _charge(charge)

    def _refusal(self, token: str) -> str | None:
        if token.startswith("tok_decline_"):
            return "card_declined"
        if token.startswith(("tok_refuse_every_", f"tok_refuse_{self.name}_")):
            return REFUSED
        return None

    async def _announce(self, request: Authorization, delay: float) -> None:
        body = {
            "type": "authorized",
            "gateway": self.name,
            "merchant_reference": request.merchant_reference,
            "occurred_at": iso(real_now()),
        }
        parameters = {"body": orjson.dumps(body).decode(), "delays": [delay, delay + 0.5]}
        async with self._books.connection() as connection:
            await connection.execute(store.ADD_WEBHOOKS, parameters)

    async def find(self, key: str) -> Charge | None:
        found = await self._row(store.FIND, {"gateway": self.name, "key": key})
        return _charge(found) if found else None

    async def capture(self, key: str, reference: str, amount: Decimal) -> Movement:
        return await self._movements.move("capture", key, reference, amount)

    async def void(self, key: str, reference: str) -> Movement:
        return await self._movements.move("void", key, reference, Decimal(0))

    async def refund(self, key: str, reference: str, amount: Decimal) -> Movement:
        return await self._movements.move("refund", key, reference, amount)

    async def close(self) -> None:
        """It works on the core's own connections and has none to close."""

    async def _row(self, statement: str, parameters: dict[str, object]) -> Row | None:
        async with self._books.connection() as connection:
            return await first(connection, statement, parameters)


def _charge(row: Row) -> Charge:
    if not row["answered"]:
        return Charge(row["reference"], "processing")
    if row["reason"] == REFUSED:
        return Charge(row["reference"], "refused", REFUSED)
    return Charge(row["reference"], row["status"], row["reason"])
