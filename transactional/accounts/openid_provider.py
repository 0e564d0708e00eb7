"""The external OpenID provider: its discovery document, its keys, and an id_token for a code, none of it believed unchecked.

OpenID Connect Core 1.0 (3.1) and Discovery 1.0. Every call has a deadline and goes through one breaker; documents are kept
for an hour, and the old ones serve while the provider is away. Redirects are not followed: nobody sends us elsewhere.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import jwt
import orjson

from lakefront.breaker import CircuitBreaker, CircuitOpen

CALL_SECONDS = 3.0
KEPT_SECONDS = 3600.0
ANEW_SECONDS = 60.0
"""So often, at most, the keys are read for a key that is not among them: tokens of a forger must not become requests."""
_LEEWAY_SECONDS = 60
_MOST_BYTES = 256 * 1024
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric ones only: no secret of ours, and no empty signature, makes an id_token."""
_SCOPE = "openid email profile"


class ProviderUnavailable(RuntimeError):
    """The provider does not answer, or with what cannot be read."""


class ProviderRefused(RuntimeError):
    """The provider did not take the code, or what it gave for it does not hold."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says of a person."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str


class _Kept:
    """A document of the provider's as this process has it."""

    def __init__(self, fetch: Callable[[], Awaitable[Any]]) -> None:
        self._fetch = fetch
        self._value: Any = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, most_seconds: float = KEPT_SECONDS) -> Any:
        """The document, at most so old; older where the provider cannot be asked now."""
        async with self._lock:
            now = time.monotonic()
            recently = min(most_seconds, ANEW_SECONDS)
            if self._value is None or (now - self._fetched_at >= most_seconds and now - self._tried_at >= recently):
                self._tried_at = now
                try:
                    self._value = await self._fetch()
                    self._fetched_at = now
                except ProviderUnavailable:
                    if self._value is None:
                        raise
        return self._value


class Provider:
    """The configured provider, and us as its client."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, redirect_uri: str, *, call_seconds: float = CALL_SECONDS
    ) -> None:
        if not client_id:
            raise ValueError("an OpenID provider needs LAKEFRONT_OPENID_CLIENT_ID")
        if not is_secure(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
            raise ValueError("LAKEFRONT_OPENID_ISSUER must be https, or http to this machine")
        self.issuer = issuer
        self.breaker = CircuitBreaker("the OpenID provider")
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._call_seconds = call_seconds
        self._http: aiohttp.ClientSession | None = None
        self._metadata = _Kept(self._discover)
        self._keys = _Kept(self._fetch_keys)

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    async def authorization_url(self, state: str, nonce: str, code_challenge: str) -> str:
        """Where to send the browser. Raises ProviderUnavailable."""
        endpoint = (await self._metadata.get())["authorization_endpoint"]
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def claims(self, code: str, code_verifier: str, nonce: str) -> Claims:
        """Who has shown themselves to the provider. Raises ProviderUnavailable, and ProviderRefused."""
        metadata = await self._metadata.get()
        tokens = await self._exchange(metadata, code, code_verifier)
        found = await self._verified(tokens.get("id_token"), nonce)
        if "email" not in found and "userinfo_endpoint" in metadata and isinstance(tokens.get("access_token"), str):
            found = await self._userinfo(metadata["userinfo_endpoint"], tokens["access_token"], found["sub"]) | found
        email, name = found.get("email"), found.get("name")
        return Claims(
            issuer=self.issuer,
            subject=found["sub"],
            email=email if isinstance(email, str) else None,
            email_verified=found.get("email_verified") is True,
            name=name if isinstance(name, str) else "",
        )

    async def _exchange(self, metadata: dict[str, Any], code: str, code_verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": code_verifier,
        }
        headers = {}
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not self._client_secret:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in methods:  # RFC 6749, 2.3.1: both parts are form-encoded first
            credentials = aiohttp.BasicAuth(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
            headers["Authorization"] = credentials.encode()
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        status, tokens = await self._call("POST", metadata["token_endpoint"], data=form, headers=headers)
        if status != 200:
            raise ProviderRefused(f"the code was answered with {status} {tokens.get('error', '')}")
        return tokens

    async def _verified(self, id_token: object, nonce: str) -> dict[str, Any]:
        """The claims of an id_token (Core, 3.1.3.7)."""
        if not isinstance(id_token, str):
            raise ProviderRefused("there is no id_token")
        try:
            try:
                claims = await self._decoded(id_token, KEPT_SECONDS)
            except (jwt.InvalidSignatureError, KeyError):  # perhaps the provider has other keys now
                claims = await self._decoded(id_token, ANEW_SECONDS)
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise ProviderRefused(f"the id_token does not hold: {error}") from error
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise ProviderRefused("the id_token was made for another sign-in")
        others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (others or "azp" in claims) and claims.get("azp") != self._client_id:
            raise ProviderRefused("the id_token was made for another client")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255 or "\x00" in claims["sub"]:
            raise ProviderRefused("the id_token names nobody")
        return claims

    async def _decoded(self, id_token: str, most_seconds: float) -> dict[str, Any]:
        """The claims by the keys as they were read at most so long ago. Raises KeyError where its key is not among them."""
        header = jwt.get_unverified_header(id_token)
        if header.get("alg") not in _ALGORITHMS:
            raise ProviderRefused("the id_token is not signed by a key of the provider's")
        keys = [key for key in (await self._keys.get(most_seconds)).keys if key.public_key_use in (None, "sig")]
        kid = header.get("kid")
        found = [key for key in keys if key.key_id == kid] if kid is not None else keys
        if len(found) != 1:
            raise KeyError(kid)
        claims: dict[str, Any] = jwt.decode(
            id_token,
            found[0].key,
            algorithms=[header["alg"]],
            audience=self._client_id,
            issuer=self.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
        return claims

    async def _userinfo(self, endpoint: str, access_token: str, subject: str) -> dict[str, Any]:
        """What an id_token leaves out (Core, 5.3); it must be of the same person."""
        status, found = await self._call("GET", endpoint, headers={"Authorization": f"Bearer {access_token}"})
        if status != 200 or found.get("sub") != subject:
            raise ProviderRefused("the provider's userinfo is not of who signed in")
        return {name: found[name] for name in ("email", "email_verified", "name") if name in found}

    async def _discover(self) -> dict[str, Any]:
        status, found = await self._call("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        endpoints = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if status != 200 or found.get("issuer") != self.issuer:
            raise ProviderUnavailable("the discovery document is not the issuer's")
        for name in (*endpoints, *(["userinfo_endpoint"] if "userinfo_endpoint" in found else [])):
            if not isinstance(found.get(name), str) or not is_secure(found[name], like=self.issuer):
                raise ProviderUnavailable(f"the discovery document has no good {name}")
        return found

    async def _fetch_keys(self) -> jwt.PyJWKSet:
        status, found = await self._call("GET", (await self._metadata.get())["jwks_uri"])
        try:
            if status != 200:
                raise ValueError(f"status {status}")
            return jwt.PyJWKSet.from_dict(found)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise ProviderUnavailable(f"the keys cannot be read: {error}") from error

    async def _call(self, method: str, url: str, **sent: Any) -> tuple[int, dict[str, Any]]:
        try:
            self.breaker.check()
        except CircuitOpen as refused:
            raise ProviderUnavailable(str(refused)) from refused
        try:
            async with asyncio.timeout(self._call_seconds):
                status, body = await self._send(method, url, sent)
            found = orjson.loads(body) if status < 500 else None
            if not isinstance(found, dict):
                raise ValueError(f"{method} {url} was answered with {status} and no JSON object")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.breaker.failed()
            raise ProviderUnavailable(f"the provider does not answer: {error!r}") from error
        self.breaker.succeeded()
        return status, found

    async def _send(self, method: str, url: str, sent: dict[str, Any]) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(headers={"Accept": "application/json"})
        async with self._http.request(method, url, allow_redirects=False, **sent) as answer:
            body = b""
            async for part in answer.content.iter_chunked(65_536):
                body += part
                if len(body) > _MOST_BYTES:
                    raise ValueError("the answer is too large")
            return answer.status, body


def is_secure(url: str, like: str = "http:") -> bool:
    """Whether a URL is https; plain http only to this machine, and where the one it comes from is plain http too."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    return (parts.scheme == "https" and bool(parts.hostname)) or (is_local and like.startswith("http:"))
