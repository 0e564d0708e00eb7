"""Stripe as a gateway: a payment is a PaymentIntent with manual capture.

Every request carries our key as Stripe's ``Idempotency-Key`` and, where Stripe keeps it, in the metadata: Stripe
forgets idempotency keys after a day, its objects never. So an authorization is looked up, and a movement that was
carried out already is recognised, however late.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import stripe

from lakefront.clock import real_now
from transactional.payments.gateways.interface import Authorization, Charge, Movement, OutcomeUnknown
from transactional.payments.gateways.stripe.amounts import AmountNotTaken, to_units
from transactional.payments.gateways.stripe.failures import is_refusal, no_definite_answer, reason_of
from transactional.payments.methods import Method

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 30.0
"""Longer than the protection around this gateway waits; it only ends what nobody waits for any more."""
CLOCK_SKEW_SECONDS = 300
PAGE = 100
MOST_PAGES = 100
PAYMENT_METHOD_TYPES: dict[Method, list[str]] = {
    "card": ["card"],
    "wallet": ["card", "link"],
    "buy_now_pay_later": ["klarna", "affirm", "afterpay_clearpay"],
}
_STATUSES = {
    "requires_capture": "authorized",
    "succeeded": "captured",
    "canceled": "voided",
    "requires_payment_method": "declined",
}


class StripeGateway:
    """One account at Stripe."""

    name = "stripe"

    def __init__(self, key: str, url: str = "") -> None:
        stripe.enable_telemetry = False
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        self._http = stripe.AIOHTTPClient(timeout=timeout)
        addresses: Any = {"api": url} if url else None
        # No retries of the SDK's own: those of the protection around each gateway are the only ones.
        client = stripe.StripeClient(key, base_addresses=addresses, http_client=self._http, max_network_retries=0)
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds

    async def close(self) -> None:
        await self._http.close_async()

    async def authorize(self, request: Authorization) -> Charge:
        try:
            units = to_units(request.amount, request.currency)
        except AmountNotTaken:
            return Charge("", "refused", "amount_not_taken")
        params: Any = {
            "amount": units,
            "currency": request.currency.lower(),
            "payment_method": request.token,
            "payment_method_types": PAYMENT_METHOD_TYPES[request.method],
            "capture_method": "manual",
            "confirm": True,
            "metadata": {"payment_id": request.merchant_reference, "key": request.key},
        }
        with no_definite_answer():
            try:
                intent = await self._intents.create_async(params, {"idempotency_key": request.key})
            except stripe.CardError as error:
                status: Any = "refused" if is_refusal(error.code) else "declined"
                return Charge(_intent_id(error), status, reason_of(error))
            except stripe.InvalidRequestError as error:
                if error.http_status == 404:  # the token is not, or no longer, a payment method
                    return Charge("", "declined", "unknown_payment_method")
                return Charge("", "refused", reason_of(error))
        return await self._charge(intent)

    async def find(self, key: str) -> Charge | None:
        """Stripe has no look-up by idempotency key: it is sought among the intents since the key (a UUIDv7) was
        made."""
        made_at = (UUID(key).int >> 80) // 1000
        since: Any = {"created": {"gte": made_at - CLOCK_SKEW_SECONDS}, "limit": PAGE}
        with no_definite_answer():
            page = await self._intents.list_async(since)
            for _ in range(MOST_PAGES):
                for intent in page.data:
                    if getattr(intent.metadata, "key", None) == key:
                        return await self._charge(intent)
                if not page.has_more:
                    return None
                page = await self._intents.list_async({**since, "starting_after": page.data[-1].id})
        raise OutcomeUnknown(f"too many intents at Stripe since {real_now().timestamp() - made_at:.0f} s ago")

    async def _charge(self, intent: stripe.PaymentIntent) -> Charge:
        if intent.status == "requires_action":
            # The customer would have to be sent to the bank's page, which no order here waits for.
            with suppress(stripe.StripeError, aiohttp.ClientError):  # nothing is held; it expires by itself
                await self._intents.cancel_async(intent.id)
            return Charge(intent.id, "declined", "authentication_required")
        status: Any = _STATUSES.get(intent.status, "processing")
        if status != "declined":
            return Charge(intent.id, status)
        error = intent.last_payment_error
        code = str(getattr(error, "decline_code", None) or getattr(error, "code", None) or "card_declined")
        return Charge(intent.id, "refused" if is_refusal(code) else "declined", code)

    async def capture(self, key: str, reference: str, amount: Decimal) -> Movement:
        async def steps() -> Movement:
            intent = await self._intents.retrieve_async(reference)
            if intent.status != "requires_capture":  # captured by an earlier request of this key, or not to be had
                return _movement(intent.status == "succeeded", intent.status)
            params: Any = {"amount_to_capture": to_units(amount, intent.currency.upper())}
            await self._intents.capture_async(reference, params, {"idempotency_key": key})
            return Movement(True)

        return await _carried_out(steps())

    async def void(self, key: str, reference: str) -> Movement:
        async def steps() -> Movement:
            intent = await self._intents.retrieve_async(reference)
            if intent.status in ("canceled", "succeeded"):
                return _movement(intent.status == "canceled", intent.status)
            await self._intents.cancel_async(reference, None, {"idempotency_key": key})
            return Movement(True)

        return await _carried_out(steps())

    async def refund(self, key: str, reference: str, amount: Decimal) -> Movement:
        async def steps() -> Movement:
            refunds = await self._refunds.list_async({"payment_intent": reference, "limit": PAGE})
            for refund in refunds.data:
                if getattr(refund.metadata, "key", None) == key:
                    return _movement(refund.status not in ("failed", "canceled"), f"refund_{refund.status}")
            intent = await self._intents.retrieve_async(reference)
            units = to_units(amount, intent.currency.upper())
            params: Any = {"payment_intent": reference, "amount": units, "metadata": {"key": key}}
            await self._refunds.create_async(params, {"idempotency_key": key})
            return Movement(True)

        return await _carried_out(steps())


async def _carried_out(steps: Coroutine[Any, Any, Movement]) -> Movement:
    """A movement's answer; what Stripe refuses for good is an answer too."""
    try:
        with no_definite_answer():
            return await steps
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        return Movement(False, reason_of(error))
    except AmountNotTaken:
        return Movement(False, "amount_not_taken")


def _movement(accepted: bool, status: str) -> Movement:
    return Movement(accepted, None if accepted else f"charge_is_{status}")


def _intent_id(error: stripe.CardError) -> str:
    """The PaymentIntent that a card error tells of; empty where it tells of none."""
    intent = getattr(error.error, "payment_intent", None) if error.error else None
    return str(intent.id) if intent else ""
