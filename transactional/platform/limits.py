"""Rate limits: counted in the worker against leases from Redis, so that most requests cost no round trip.

A caller (user, else address) has a budget a minute. A worker takes a tenth of what is left at a time, at least one, so
that workers share the budget and the last requests are counted exactly. When Redis is away each worker counts by itself:
the limit is then per worker, and nobody is refused for Redis's sake.

Logins, and whatever else proves who somebody is, have a smaller budget beside it, of the address: who guesses is nobody yet.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.redis_connection import RedisConnection, Script
from lakefront.settings import settings
from transactional.platform.authentication import address_of, identity_of, is_internal
from transactional.platform.errors import Problem, problem_response
from transactional.platform.routing import GATEWAY_WEBHOOKS

LOGINS = (
    "/api/v1/auth/login",  # and its second factor
    "/api/v1/auth/password",
    "/api/v1/auth/email",
    "/api/v1/users/email",
    "/api/v1/users/deletion",
    "/api/v1/users/export",
    "/api/v1/oauth/token",
    "/api/v1/users/second-factor",
)
"""Where secrets are asked for that somebody might guess, or letters sent."""
WINDOW_SECONDS = 60
LEASE_SHARE = 10
_STORE_DEADLINE_SECONDS = 0.05
_STORE_BREAKER_SECONDS = 2.0
_MOST_CALLERS = 50_000

LIMITED = Counter("lakefront_rate_limited", "Requests refused because the caller's budget was spent.")
DEGRADED = Counter("lakefront_rate_limit_degraded", "Leases that a worker gave itself because Redis was away.")
log = structlog.get_logger(__name__)

_LEASE = Script("""
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = tonumber(ARGV[1]) - used
if left <= 0 then return {0, 0} end
local share = math.max(1, math.floor(left / tonumber(ARGV[2])))
redis.call('SET', KEYS[1], used + share, 'EX', ARGV[3])
return {share, left - share}
""")


@dataclass(slots=True)
class Budget:
    """What this worker knows of a caller in the present window."""

    window: int
    leased: int = 0
    """Requests this worker may still let through without asking."""
    elsewhere: int = 0
    """What was left for everybody after the last lease."""
    counted_alone: int = 0
    """Requests let through while Redis was away."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and what its headers say."""

    allowed: bool
    remaining: int
    reset: int


class RateLimiter:
    """The budgets of one worker."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._budgets: dict[str, Budget] = {}
        self._breaker = CircuitBreaker("store of rate limits", seconds_open=_STORE_BREAKER_SECONDS)

    async def take(self, caller: str, store: RedisConnection) -> Verdict:
        """Count one request of a caller."""
        now = time.time()
        window, reset = int(now // WINDOW_SECONDS), WINDOW_SECONDS - int(now % WINDOW_SECONDS)
        budget = self._budgets.get(caller)
        if budget is None or budget.window != window:
            self._make_room(window)
            budget = self._budgets[caller] = Budget(window)
        if budget.leased <= 0:
            await self._lease(caller, budget, store)
        if budget.leased <= 0:
            LIMITED.inc()
            return Verdict(False, 0, reset)
        budget.leased -= 1
        return Verdict(True, budget.leased + budget.elsewhere, reset)

    async def _lease(self, caller: str, budget: Budget, store: RedisConnection) -> None:
        try:
            self._breaker.check()
            async with asyncio.timeout(_STORE_DEADLINE_SECONDS):
                key, seconds = f"limit:{caller}:{budget.window}", str(2 * WINDOW_SECONDS)
                [(share, elsewhere)] = await _LEASE.run(store, ("1", key, str(self.limit), str(LEASE_SHARE), seconds))
        except (RedisError, OSError, TimeoutError, CircuitOpen) as error:
            if not isinstance(error, CircuitOpen):
                self._breaker.failed()
                log.warning("rate_limit_counts_alone", error=str(error) or type(error).__name__)
            DEGRADED.inc()
            if budget.counted_alone < self.limit:
                budget.counted_alone += 1
                budget.leased += 1
                budget.elsewhere = self.limit - budget.counted_alone
            return
        self._breaker.succeeded()
        budget.leased += share
        budget.elsewhere = elsewhere

    def _make_room(self, window: int) -> None:
        if len(self._budgets) < _MOST_CALLERS:
            return
        self._budgets = {caller: budget for caller, budget in self._budgets.items() if budget.window == window}
        if len(self._budgets) >= _MOST_CALLERS:  # a flood of addresses: forget all, their leases stay taken in Redis
            self._budgets.clear()


class RateLimitMiddleware:
    """Refuses who asks too much with 429, and tells everybody their budget (draft-ietf-httpapi-ratelimit-headers)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limiter = RateLimiter(settings().rate_limit_per_minute)
        self._logins = RateLimiter(settings().login_limit_per_minute)
        self._lifted = settings().simulation and settings().simulation_lifts_rate_limit
        self._policy = _policy("minute", self._limiter)
        self._policy_with_logins = self._policy + b", " + _policy("login", self._logins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What gateways send is signed and must not wait: refusing it would cost as much as looking at the signature.
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/api/") or path.startswith(GATEWAY_WEBHOOKS):
            await self._app(scope, receive, send)
            return
        caller, address = self._caller(scope)
        if caller is None:
            await self._app(scope, receive, send)
            return
        store = scope["app"].state.core.store
        verdict, refusing = await self._limiter.take(caller, store), self._limiter
        policy, limit = self._policy, b'"minute";r=%d;t=%d' % (verdict.remaining, verdict.reset)
        if scope["method"] == "POST" and path.startswith(LOGINS):
            policy = self._policy_with_logins
            if verdict.allowed:
                verdict, refusing = await self._logins.take(f"login:{address}", store), self._logins
                limit += b', "login";r=%d;t=%d' % (verdict.remaining, verdict.reset)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"ratelimit-policy", policy),
                    (b"ratelimit", limit),
                ]
            await send(message)

        if verdict.allowed:
            await self._app(scope, receive, with_headers)
            return
        refusal = Problem(
            429,
            "rate_limited",
            "Too many requests" if refusing is self._limiter else "Too many attempts to log in",
            f"At most {refusing.limit} requests a minute; the next window begins in {verdict.reset} s.",
            {"Retry-After": str(verdict.reset)},
        )
        await problem_response(refusal)(scope, receive, with_headers)

    def _caller(self, scope: Scope) -> tuple[str | None, str]:
        """Whose budget a request counts against, None for those without a limit, and the address. A bad token counts for
        its address."""
        authorization = internal_key = forwarded = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == b"x-internal-key":
                internal_key = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                forwarded = value.decode("latin-1")
        peer = scope["client"][0] if scope.get("client") else ""
        address = peer if forwarded is None else address_of(forwarded, peer)
        try:
            if self._lifted and is_internal(internal_key):
                return None, address
            identity = identity_of(authorization)
        except Problem:
            identity = None
        if identity is None:
            return f"address:{address}", address
        return (None if self._lifted and identity.is_simulated else f"user:{identity.user_id}"), address


def _policy(name: str, limiter: RateLimiter) -> bytes:
    return b'"%s";q=%d;w=%d' % (name.encode(), limiter.limit, WINDOW_SECONDS)
