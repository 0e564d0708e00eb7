"""Errors as RFC 9457 problem documents with a stable ``code``, and their part of the OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import orjson
import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from lakefront.card_numbers import CardNumberRefused
from lakefront.telemetry import correlation_id
from transactional.platform.key_stores import KeysUnavailable
from transactional.platform.patterns import words_of

PROBLEM_JSON = "application/problem+json"
log = structlog.get_logger(__name__)


class Problem(Exception):
    """An answer that says what is wrong. ``code`` is stable; ``extra`` are further members of the document."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.headers = headers
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """The members of the problem document."""
        document: dict[str, Any] = {
            "type": f"https://lakefront.example/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            document["detail"] = self.detail
        if correlation := correlation_id.get():
            document["correlation_id"] = correlation
        return document | self.extra


def problem_response(problem: Problem) -> Response:
    """The problem as an HTTP answer."""
    return Response(
        orjson.dumps(problem.document(), default=str),
        status_code=problem.status,
        headers=problem.headers,
        media_type=PROBLEM_JSON,
    )


def not_found(what: str, identity: object) -> Problem:
    """404 with a code of its own for each kind of thing: product_not_found."""
    return Problem(
        404, f"{what.replace(' ', '_')}_not_found", f"There is no such {what}", f"No {what} has the id {identity}."
    )


def unavailable(code: str, title: str, detail: str | None = None, retry_after: int = 2) -> Problem:
    """503 that says when to come again."""
    return Problem(503, code, title, detail, {"Retry-After": str(retry_after)})


class CardNumberSent(HTTPException):
    """A request's body holds a card number: told by who reads the body, so it is of the kind that readers let through."""

    def __init__(self) -> None:
        super().__init__(422)


def card_number_refused(detail: str = "Send the payment gateway's token instead.") -> Problem:
    """422 for what would bring a card number to us."""
    return Problem(422, "card_number_refused", "Card numbers are not taken here", detail)


def field_errors(errors: Iterable[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as ``{"field", "message"}``; the field as the sender wrote it: "items.0.quantity"."""
    return [
        {
            "field": ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")),
            "message": _in_words(error),
        }
        for error in errors
    ]


def _in_words(error: Any) -> str:
    """What is wrong, as one would say it after the field's name."""
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a field of this request"
        case "value_error":
            return str(error["msg"]).removeprefix("Value error, ")
        case "string_pattern_mismatch" if words := words_of(error["ctx"]["pattern"]):
            return f"should be {words}"
        case _:
            return str(error["msg"]).replace("Input should", "should", 1)


def _invalid_request(error: RequestValidationError) -> Problem:
    errors = error.errors()
    broken = next((one for one in errors if one["type"] == "json_invalid"), None)
    if broken is not None:
        reason = broken.get("ctx", {}).get("error", broken["msg"])
        return Problem(
            400, "malformed_json", "The body is not valid JSON", f"{reason} at character {broken['loc'][-1]}."
        )
    named = field_errors(errors)
    first = named[0]
    detail = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return Problem(422, "invalid_request", "The request does not fit its schema", detail, errors=named)


def install_error_handlers(app: FastAPI) -> None:
    """Every error leaves as a problem document."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> Response:
        return problem_response(_invalid_request(error))

    @app.exception_handler(CardNumberRefused)
    async def _card_number(_: Request, error: CardNumberRefused) -> Response:
        return problem_response(card_number_refused(str(error)))

    @app.exception_handler(CardNumberSent)
    async def _card_number_sent(_: Request, __: CardNumberSent) -> Response:
        return problem_response(card_number_refused())

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        code, title = _HTTP_CODES.get(error.status_code, (phrase.lower().replace(" ", "_"), phrase))
        headers = dict(error.headers) if error.headers else None
        detail = error.detail if error.detail not in (phrase, title) else None
        return problem_response(Problem(error.status_code, code, title, detail, headers))

    @app.exception_handler(psycopg.errors.ForeignKeyViolation)
    async def _account_deleted(_: Request, error: psycopg.errors.ForeignKeyViolation) -> Response:
        """A token outlives its account by a moment: whatever the account would get now belongs to nobody."""
        if not (error.diag.constraint_name or "").endswith("_user_id_fkey"):
            raise error
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        gone = Problem(401, "session_ended", "The session of this token was ended", "Log in again.", headers)
        return problem_response(gone)

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(psycopg.OperationalError)
    async def _database_away(_: Request, error: Exception) -> Response:
        log.warning("database_unavailable", error=str(error))
        return problem_response(unavailable("database_unavailable", "The database does not answer just now"))

    @app.exception_handler(KeysUnavailable)
    async def _keys_away(_: Request, error: Exception) -> Response:
        log.error("field_keys_unavailable", error=str(error))
        return problem_response(unavailable("keys_unavailable", "Personal fields cannot be read just now"))


_HTTP_CODES = {400: ("malformed_json", "The body is not valid JSON"), 413: ("too_large", "The body is too large")}
_TITLES = {
    400: ("malformed_json", "The body is not valid JSON"),
    401: ("not_authenticated", "This needs a valid access token"),
    402: ("payment_declined", "The payment was declined"),
    403: ("forbidden", "This is not allowed for the caller's role"),
    404: ("not_found", "There is no such thing"),
    409: ("conflict", "The request does not fit the present state"),
    413: ("too_large", "The body is too large"),
    415: ("unsupported_media_type", "This kind of content is not taken"),
    422: ("invalid_request", "The request does not fit its schema"),
    429: ("rate_limited", "Too many requests"),
    503: ("unavailable", "A part that this needs does not answer just now"),
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of an operation's error answers; 429 and 503 may come from anywhere and are always named."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 429, 503}):
        code, title = _TITLES[status]
        example = {"type": f"https://lakefront.example/problems/{code}", "title": title, "status": status, "code": code}
        described[status] = {
            "description": title,
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
        }
        if status in (429, 503):
            described[status]["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
    return described


PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What is wrong, as RFC 9457 has it. Programs decide by `code`, which never changes.",
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
