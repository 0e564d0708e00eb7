"""Every call to a gateway goes through here: a deadline, a bulkhead, a circuit breaker, and at most three tries.

Only what was definitely not carried out is tried again. An unknown outcome goes to the caller, who writes it down and
looks it up later under the same key.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from prometheus_client import Counter

from lakefront.breaker import CircuitBreaker, CircuitOpen
from transactional.payments.gateways.interface import (
    Authorization,
    Charge,
    Gateway,
    GatewayUnavailable,
    Movement,
    OutcomeUnknown,
)

TRIES = 3
FIRST_PAUSE_SECONDS = 0.05
CALL_SECONDS = 2.0
CALLS_AT_ONCE = 32
WAIT_FOR_PLACE_SECONDS = 0.5

Answer = TypeVar("Answer")
_calls = Counter("lakefront_gateway_calls", "Calls to payment gateways.", ["gateway", "operation", "outcome"])


class ProtectedGateway:
    """A gateway whose slowness or failure stays its own."""

    def __init__(
        self, gateway: Gateway, *, call_seconds: float = CALL_SECONDS, calls_at_once: int = CALLS_AT_ONCE
    ) -> None:
        self.gateway = gateway
        self.name = gateway.name
        self.breaker = CircuitBreaker(gateway.name)
        self._call_seconds = call_seconds
        self._places = asyncio.Semaphore(calls_at_once)

    async def close(self) -> None:
        await self.gateway.close()

    async def authorize(self, request: Authorization, tries: int = TRIES) -> Charge:
        return await self._call("authorize", lambda: self.gateway.authorize(request), tries)

    async def find(self, key: str) -> Charge | None:
        return await self._call("find", lambda: self.gateway.find(key))

    async def capture(self, key: str, reference: str, amount: Decimal) -> Movement:
        return await self._call("capture", lambda: self.gateway.capture(key, reference, amount))

    async def void(self, key: str, reference: str) -> Movement:
        return await self._call("void", lambda: self.gateway.void(key, reference))

    async def refund(self, key: str, reference: str, amount: Decimal) -> Movement:
        return await self._call("refund", lambda: self.gateway.refund(key, reference, amount))

    async def _call(self, operation: str, send: Callable[[], Awaitable[Answer]], tries: int = TRIES) -> Answer:
        for attempt in range(1, tries + 1):
            try:
                answer = await self._once(send)
            except GatewayUnavailable as error:
                _calls.labels(self.name, operation, "unavailable").inc()
                if attempt == tries or isinstance(error.__cause__, CircuitOpen):  # it will not close within a pause
                    raise
                pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            except OutcomeUnknown:
                _calls.labels(self.name, operation, "unknown").inc()
                raise
            else:
                _calls.labels(self.name, operation, "answered").inc()
                return answer
        raise AssertionError("the last try either answers or raises")

    async def _once(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            self.breaker.check()
        except CircuitOpen as refused:
            raise GatewayUnavailable(str(refused)) from refused
        try:
            async with asyncio.timeout(WAIT_FOR_PLACE_SECONDS):
                await self._places.acquire()
        except TimeoutError as full:
            raise GatewayUnavailable(f"too many calls to {self.name} are under way") from full
        try:
            async with asyncio.timeout(self._call_seconds):
                answer = await send()
        except TimeoutError as late:
            self.breaker.failed()
            raise OutcomeUnknown(f"{self.name} did not answer within {self._call_seconds:g} s") from late
        except (GatewayUnavailable, OutcomeUnknown):
            self.breaker.failed()
            raise
        finally:
            self._places.release()
        self.breaker.succeeded()
        return answer
