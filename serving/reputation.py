"""What an external party knows of an order's origin: one interface, and a sandbox that misbehaves on demand.

A reputation list is asked for a score from 0 (nothing against it) to 1 (known for fraud). It is not ours: it has a
deadline and a breaker of its own, and a decision goes on without it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from features.definitions import DISPOSABLE_MAIL
from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.telemetry import logger

DEADLINE_SECONDS = 0.03
log = logger("serving.reputation")


class ReputationError(RuntimeError):
    """The party answered with an error."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What may be told to an external party of where an order comes from: no personal data."""

    email_domain: str | None
    address: str | None
    device: str | None
    network_country: str | None


class ReputationParty(Protocol):
    """An external source of reputation."""

    async def score(self, origin: Origin) -> float | None:
        """From 0 to 1, None where the party knows nothing. Raises ReputationError."""
        ...


class SandboxReputation:
    """Stands for a commercial list. It knows throw-away mail domains; domains below reputation-sandbox.example make it
    misbehave: late (answers after a second), error, and listed (score 1)."""

    domain = "reputation-sandbox.example"

    async def score(self, origin: Origin) -> float | None:
        if origin.email_domain is None:
            return None
        name, _, parent = origin.email_domain.lower().partition(".")
        if parent == self.domain:
            if name == "error":
                raise ReputationError("the sandbox was asked to fail")
            if name == "late":
                await asyncio.sleep(1.0)
            return 1.0 if name == "listed" else 0.05
        return 0.9 if origin.email_domain.lower() in DISPOSABLE_MAIL else 0.05


class Reputation:
    """Asks a party within a deadline, behind a breaker."""

    def __init__(
        self,
        party: ReputationParty,
        deadline_seconds: float = DEADLINE_SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._party = party
        self._deadline = deadline_seconds
        self.breaker = breaker or CircuitBreaker("reputation")

    async def score(self, origin: Origin) -> float | None:
        """From 0 to 1; None when the party knows nothing, fails, is late or is left alone."""
        try:
            self.breaker.check()
            async with asyncio.timeout(self._deadline):
                score = await self._party.score(origin)
        except CircuitOpen:
            return None
        except (ReputationError, TimeoutError, OSError) as error:
            self.breaker.failed()
            log.warning("reputation_failed", error=str(error) or type(error).__name__)
            return None
        self.breaker.succeeded()
        return None if score is None else min(max(score, 0.0), 1.0)
