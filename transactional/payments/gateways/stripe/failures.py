"""What Stripe's errors mean: carried out or not, the issuer's decline or Stripe's own refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import stripe

from transactional.payments.gateways.interface import GatewayUnavailable, OutcomeUnknown

_REFUSED_BY_GATEWAY = frozenset({"processing_error", "approve_with_id", "issuer_not_available"})
"""Codes of a card error that say nothing of the card: somewhere else the same payment may succeed."""


@contextmanager
def no_definite_answer() -> Iterator[None]:
    """Tell apart what was never carried out from what may have been. Definite answers (``CardError``,
    ``InvalidRequestError``) go to the caller as they are."""
    try:
        yield
    except stripe.APIConnectionError as error:
        cause = error.__cause__
        if isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            raise GatewayUnavailable(f"Stripe could not be reached: {type(cause).__name__}") from error
        raise OutcomeUnknown(f"no answer from Stripe: {type(cause).__name__}") from error
    except aiohttp.ClientError as error:  # while the answer was being read
        raise OutcomeUnknown(f"no whole answer from Stripe: {type(error).__name__}") from error
    except (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError) as error:
        raise GatewayUnavailable(f"Stripe turned the request away: {type(error).__name__}") from error
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except stripe.StripeError as error:  # 5xx, a key that is in use just now: it may have been carried out
        raise OutcomeUnknown(f"Stripe: {type(error).__name__} {error.http_status}") from error


def is_refusal(code: str | None) -> bool:
    """True for a failure of Stripe or on its way to the issuer, false for the issuer's decline."""
    return code in _REFUSED_BY_GATEWAY


def reason_of(error: stripe.StripeError) -> str:
    """A stable code; never Stripe's message, which is free text."""
    decline = getattr(error.error, "decline_code", None) if error.error else None
    return str(decline or error.code or type(error).__name__)
