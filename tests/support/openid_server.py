"""A real OpenID provider for tests: oidc-provider-mock, which is Authlib's server, with Authlib's own check of PKCE added."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its deprecations are not ours
    import flask
    import jwt
    from authlib.oauth2.rfc7636 import CodeChallenge
    from oidc_provider_mock import User
    from oidc_provider_mock import app as provider_app
    from werkzeug.serving import make_server


class _Pkce(CodeChallenge):
    """Asks for a verifier always. The provider keeps codes without their challenges: these are kept here, by nonce."""

    def __init__(self) -> None:
        super().__init__(required=True)
        self._challenges: dict[str, tuple[str, str]] = {}

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        super().validate_code_challenge(grant, redirect_uri)
        asked = grant.request.payload.data
        self._challenges[asked["nonce"]] = asked["code_challenge"], asked["code_challenge_method"]

    def get_authorization_code_challenge(self, authorization_code: Any) -> str:
        return self._challenges[authorization_code.nonce][0]

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
        return self._challenges[authorization_code.nonce][1]


class OpenIDServer:
    """The running provider, what it was asked, and what a test lets it do wrong."""

    def __init__(self, issuer: str, app: flask.Flask) -> None:
        self.issuer = issuer
        self.requests: list[str] = []
        self.forge: Callable[[dict[str, Any], Any], str] | None = None
        """Makes the id_token from the true one's claims and the provider's key."""
        self.broken = False
        self.storage: Any = None
        pkce, ready = _Pkce(), threading.Lock()

        @app.before_request
        def look() -> Any:
            self.requests.append(flask.request.path)
            with ready:
                if self.storage is None:
                    server = flask.g._authlib_authorization_server
                    for _, extensions in (*server._authorization_grants, server._token_grants[0]):
                        extensions.append(pkce)
                    self.storage = flask.g.oidc_provider_mock_storage
            return ("out of order", 500) if self.broken else None

        @app.after_request
        def answer(response: flask.Response) -> flask.Response:
            if self.forge is not None and flask.request.path == "/oauth2/token" and response.status_code == 200:
                tokens = response.get_json()
                claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
                response.set_data(flask.json.dumps(tokens | {"id_token": self.forge(claims, self.storage.jwk)}))
            return response

    def person(self, subject: str, **claims: Any) -> None:
        """Somebody who can sign in."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()
        assert self.storage.get_user(subject) == User(sub=subject, claims=claims)

    def consent(self, authorization_url: str, subject: str) -> dict[str, str]:
        """What the browser is sent back with when somebody signs in at the provider."""
        sent_back = httpx.post(authorization_url, data={"sub": subject})
        assert sent_back.status_code == 302, sent_back.text
        return {name: values[0] for name, values in parse_qs(urlsplit(sent_back.headers["Location"]).query).items()}


@contextmanager
def openid_server() -> Iterator[OpenIDServer]:
    """A provider on a port of its own."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = provider_app(require_nonce=True)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    found = OpenIDServer(f"http://127.0.0.1:{server.server_port}", app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        httpx.get(f"{found.issuer}/.well-known/openid-configuration").raise_for_status()
        yield found
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
