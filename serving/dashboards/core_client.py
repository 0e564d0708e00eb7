"""The core's HTTP API as the dashboards use it: they act through it and never touch its tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp

from lakefront.settings import settings
from serving.dashboards.session import NotSignedIn, SignedIn


class CoreRefused(Exception):
    """The core said no; the message is its own problem document's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SecondFactorNeeded(Exception):
    """The password was right; the login goes on with a code."""

    def __init__(self, challenge: str, kind: str) -> None:
        super().__init__(kind)
        self.challenge = challenge
        self.kind = kind
        """Where the code comes from: "totp" or "sms"."""


class ChallengeOver(CoreRefused):
    """It is too late for a code: the login begins anew."""


class CoreAway(Exception):
    """The core did not answer."""


class CoreClient:
    """Calls the core with a merchandiser's token and renews the token when it has ended."""

    def __init__(self, base_url: str | None = None) -> None:
        self._base_url = (base_url or settings().api_url).rstrip("/") + "/api/v1"
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def sign_in(self, email: str, password: str) -> SignedIn:
        """Log in. Raises SecondFactorNeeded, CoreRefused for wrong credentials, CoreAway when the core is down."""
        return await self._let_in("/auth/login", {"email": email, "password": password})

    async def sign_in_with_code(self, challenge: str, code: str) -> SignedIn:
        """Go on with a login. Raises CoreRefused for a wrong code, ChallengeOver when it is too late for any."""
        return await self._let_in("/auth/login/second-factor", {"challenge": challenge, "code": code})

    async def _let_in(self, path: str, shown: dict[str, str]) -> SignedIn:
        tokens = await self._request("POST", path, json=shown)
        profile = await self._request("GET", "/users/profile", token=tokens["access_token"])
        return SignedIn(
            profile["email"], profile["role"], tokens["access_token"], tokens["refresh_token"], profile["user_id"]
        )

    async def call(
        self, session: SignedIn, method: str, path: str, **arguments: Any
    ) -> tuple[dict[str, Any], SignedIn]:
        """Call the core as the session's user; answers the body and the session, whose tokens may be new ones."""
        try:
            return await self._request(method, path, token=session.access_token, **arguments), session
        except CoreRefused as refused:
            if refused.status != 401:
                raise
        try:
            tokens = await self._request("POST", "/auth/refresh", json={"refresh_token": session.refresh_token})
        except CoreRefused:
            raise NotSignedIn from None
        session = replace(session, access_token=tokens["access_token"], refresh_token=tokens["refresh_token"])
        return await self._request(method, path, token=session.access_token, **arguments), session

    async def _request(self, method: str, path: str, token: str | None = None, **arguments: Any) -> dict[str, Any]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._http.request(method, self._base_url + path, headers=headers, **arguments) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CoreAway(f"The shop's core at {self._base_url} does not answer ({error}).") from error
        if answer.status >= 400:
            raise _refusal(answer.status, body)
        return dict(body or {})


def _refusal(status: int, problem: dict[str, Any]) -> Exception:
    """What a problem document says."""
    code = problem.get("code")
    if code == "second_factor_required":
        return SecondFactorNeeded(problem["challenge"], problem["second_factor"])
    title, detail = problem.get("title"), problem.get("detail")
    message = detail or title or f"status {status}"
    if title and detail and status in (401, 429):  # there the detail says what to do now, and the title why
        message = f"{title}. {detail}"
    return ChallengeOver(status, message) if code == "invalid_challenge" else CoreRefused(status, message)
