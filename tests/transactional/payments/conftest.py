"""A Stripe to test against: a real localstripe server as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from lakefront.runtime.ports import any_free
from transactional.payments.gateways.stripe.gateway import StripeGateway

SERVER = Path(__file__).with_name("localstripe_server.py")
KEY = "sk_test_lakefront"


@dataclass(frozen=True)
class LocalStripe:
    """The server, and the eyes and hands of a test in it."""

    url: str

    def get(self, path: str, **parameters: Any) -> Any:
        answer = httpx.get(self.url + path, params=parameters, auth=(KEY, ""))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **data: Any) -> Any:
        answer = httpx.post(self.url + path, data=data, auth=(KEY, ""))
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    def suffer(self, misfortune: str) -> None:
        """The next POST is lost (``lose_request``), carried out without an answer (``lose_answer``) or fails
        (``fail``)."""
        self.post(f"/_config/misfortune/{misfortune}")

    def sent(self, key: object) -> int:
        """How often a key was sent."""
        return int(self.get(f"/_config/sent/{key}"))

    def intents(self, payment_id: object) -> list[dict[str, Any]]:
        """What Stripe has for a payment of ours."""
        found = self.get("/v1/payment_intents", limit=1000)["data"]
        return [intent for intent in found if intent["metadata"].get("payment_id") == str(payment_id)]

    def card(self, number: str) -> str:
        """A payment method as Stripe's form in the customer's browser makes it: only its token comes to us."""
        card = {"number": number, "exp_month": "12", "exp_year": "2031", "cvc": "123"}
        return str(self.post("/v1/payment_methods", type="card", **{f"card[{n}]": v for n, v in card.items()})["id"])


@pytest.fixture(scope="session")
def local_stripe() -> Iterator[LocalStripe]:
    """A localstripe process of this worker."""
    port = any_free()
    process = subprocess.Popen([sys.executable, str(SERVER), str(port)])
    stripe = LocalStripe(f"http://127.0.0.1:{port}")
    try:
        for _ in range(200):
            try:
                stripe.get("/v1/payment_intents")
                break
            except httpx.TransportError:
                assert process.poll() is None, "localstripe did not start"
                time.sleep(0.05)
        yield stripe
    finally:
        process.terminate()
        process.wait(10)


@pytest_asyncio.fixture
async def stripe_gateway(local_stripe: LocalStripe) -> AsyncIterator[StripeGateway]:
    """The Stripe gateway of the core, connected to localstripe."""
    gateway = StripeGateway(KEY, local_stripe.url)
    yield gateway
    await gateway.close()
