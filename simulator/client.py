"""The simulator's side of the public HTTP API: aiohttp, honours Retry-After, sends again with the same ids and keys."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp
import orjson

from simulator.shoppers import Account, Visitor

API = "/api/v1"
CONNECTIONS = 32
PATIENCE_SECONDS = 180.0
"""How long a call is sent again while the shop is away: long enough for a restart of everything."""
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
RETRIED = (429, 502, 503, 504)


class ShopUnavailable(RuntimeError):
    """The shop did not answer in all the time that the client was willing to wait."""


class NotSimulating(ShopUnavailable):
    """The shop runs, but its clock does not move: it is not in simulation mode."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the shop. ``body`` is the parsed JSON, an empty dict when there was none."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def code(self) -> str:
        """Stable code of a problem document."""
        return str(self.body.get("code", ""))


@dataclass(slots=True)
class Traffic:
    """What the client saw."""

    requests: int = 0
    sent_again: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    events_accepted: int = 0
    events_rejected: int = 0


class Client:
    """Connections to one shop. A visitor's headers go with each of their requests; tokens are renewed when they end."""

    def __init__(self, base_url: str, internal_key: str, connections: int = CONNECTIONS) -> None:
        self._base_url = base_url.rstrip("/")
        self._internal_key = internal_key
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self.traffic = Traffic()

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
        raw: bytes | None = None,
        patience: float | None = None,
    ) -> Answer:
        """One call, sent again while the shop is away or asks to wait. Raises ShopUnavailable when patience ends."""
        if self._session is None:
            raise RuntimeError("use the client in an `async with` block")
        data = raw if raw is not None else None if body is None else orjson.dumps(body)
        sent = {"X-Internal-Key": self._internal_key, "Content-Type": "application/json", **(headers or {})}
        patience = PATIENCE_SECONDS if patience is None else patience
        give_up = asyncio.get_running_loop().time() + patience
        pause = 0.1
        problem = ""
        while asyncio.get_running_loop().time() < give_up:
            self.traffic.requests += 1
            try:
                async with self._session.request(
                    method, f"{self._base_url}{path}", data=data, headers=sent, params=params
                ) as response:
                    content = await response.read()
                    self.traffic.statuses[response.status] += 1
                    answer = Answer(response.status, _parsed(content))
                    wait = _seconds_to_wait(response, answer)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                problem, wait = f"{type(error).__name__}: {error}", pause
            else:
                if wait is None:
                    return answer
                problem = f"status {answer.status} {answer.code}"
            self.traffic.sent_again += 1
            pause = min(pause * 2, 2.0)
            await asyncio.sleep(min(wait, 5.0))
        raise ShopUnavailable(f"{method} {path}: no answer in {patience:g} s; last: {problem}")

    async def as_visitor(
        self, visitor: Visitor, session: str, method: str, path: str, body: Any = None, **options: Any
    ) -> Answer:
        """A call with the visitor's session, device, network and account; a token that ended is renewed once."""
        headers = {
            "X-Session-Id": session,
            "X-Device-Id": visitor.device,
            "X-Forwarded-For": visitor.network_address,
            **options.pop("headers", {}),
        }
        account = visitor.account
        if account is not None and account.access_token is not None:
            headers["Authorization"] = f"Bearer {account.access_token}"
        answer = await self.request(method, API + path, body, headers=headers, **options)
        if answer.status != 401 or account is None:
            return answer
        await self.renew(account, visitor)
        headers["Authorization"] = f"Bearer {account.access_token}"
        return await self.request(method, API + path, body, headers=headers, **options)

    async def enter(self, visitor: Visitor) -> None:
        """Register the visitor's account, or log in where it exists already."""
        account = visitor.account
        if account is None or account.access_token is not None:
            return
        body = {"email": account.email, "password": account.password, "name": account.name, "country": account.country}
        answer = await self.request("POST", f"{API}/auth/register", body, headers=_network_of(visitor))
        if answer.status == 409:
            await self.log_in(account, visitor)
            return
        _take_tokens(account, answer, "registration")

    async def log_in(self, account: Account, visitor: Visitor) -> None:
        body = {"email": account.email, "password": account.password}
        answer = await self.request("POST", f"{API}/auth/login", body, headers=_network_of(visitor))
        _take_tokens(account, answer, "login")

    async def renew(self, account: Account, visitor: Visitor) -> None:
        """A fresh access token, by the refresh token or, where that has ended too, by password."""
        if account.refresh_token is not None:
            body = {"refresh_token": account.refresh_token}
            answer = await self.request("POST", f"{API}/auth/refresh", body, headers=_network_of(visitor))
            if answer.ok:
                _take_tokens(account, answer, "refresh")
                return
        await self.log_in(account, visitor)

    async def send_events(self, visitor: Visitor, session: str, events: list[dict[str, Any]]) -> None:
        """Post a visit's clicks in one batch; the ids stay the same however often it is sent."""
        if not events:
            return
        answer = await self.as_visitor(visitor, session, "POST", "/events", {"events": events})
        accepted = int(answer.body.get("accepted", 0))
        self.traffic.events_accepted += accepted
        self.traffic.events_rejected += len(events) - accepted

    async def pages(self, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
        """All items of a list, by its cursor."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            asked = {**params, "cursor": cursor} if cursor else params
            answer = await self.request("GET", API + path, params=asked)
            if not answer.ok:
                raise ShopUnavailable(f"GET {path} answered {answer.status} {answer.code}: {answer.body.get('detail')}")
            items.extend(answer.body["items"])
            cursor = answer.body.get("next_cursor")
            if not cursor:
                return items


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {"items": body}


def _seconds_to_wait(response: aiohttp.ClientResponse, answer: Answer) -> float | None:
    """How long to wait before sending again; None when the answer is final."""
    if answer.code == "payment_unavailable":  # the order was taken back: a new one is the customer's decision
        return None
    asked = response.headers.get("Retry-After")
    if response.status not in RETRIED and not (asked and response.status == 409):
        return None
    try:
        return max(float(asked or 0.5), 0.05)
    except ValueError:  # a date: our own shop sends seconds, a proxy may send a date
        return 1.0


def _network_of(visitor: Visitor) -> dict[str, str]:
    return {"X-Forwarded-For": visitor.network_address, "X-Device-Id": visitor.device}


def _take_tokens(account: Account, answer: Answer, what: str) -> None:
    if not answer.ok:
        raise ShopUnavailable(f"{what} of {account.email} answered {answer.status} {answer.code}: {answer.body}")
    account.access_token = answer.body["access_token"]
    account.refresh_token = answer.body.get("refresh_token", account.refresh_token)
