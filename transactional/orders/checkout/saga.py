"""The saga's state, and the answer that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from lakefront.clock import real_now
from transactional.payments.methods import Method
from transactional.platform.errors import Problem
from transactional.platform.outbox import Fact

LEASE = timedelta(seconds=15)
"""Longer than any step may take; a step begins with a fresh lease, and recovery takes what is older."""


class Stale(RuntimeError):
    """Another process has taken this checkout over: stop, and write nothing more."""


class Context(TypedDict):
    """What later steps need, kept in the checkout's row; people, devices and cards only as pseudonyms and hashes."""

    user: str | None
    session: str | None
    method: str
    payment_id: str
    gateway: str
    """The gateway that is asked; empty where none takes the payment. Chosen once fraud was assessed."""
    payment_kind: str
    device: str | None
    card: str | None
    address: str | None
    email_domain: str | None
    account_age_days: float | None
    shipping_country: str | None
    network_country: str | None
    currency: str
    total: str
    units: int
    order_version: int
    items: list[dict[str, Any]]
    action: str | None
    """The fraud verdict, once there is one."""
    unknown_since: str | None
    """Real time since which the payment's outcome is not known."""
    correlation_id: str | None
    charges: NotRequired[dict[str, str]]
    """The parts of the total."""
    coupon: NotRequired[bool]
    """Whether a coupon was redeemed with the first commit, to be released if the order fails."""
    listed: NotRequired[tuple[str, str] | None]
    """The total in the products' own currency, where the order's is another one."""
    due: NotRequired[str]
    """What the payment method is asked for: the total less what stored value pays."""
    stored_value: NotRequired[bool]
    """Whether gift cards or store credit are held for the order, to be captured or given back."""
    shipping_method: NotRequired[str]
    shipping_region: NotRequired[str]
    """State or province that it goes to."""
    estimated_delivery: NotRequired[str]
    method_type: NotRequired[Method | None]
    """What the customer says the token stands for."""
    backups: NotRequired[list[str]]
    """Gateways to ask when the present one definitely cannot do it."""
    payment_region: NotRequired[str]
    paid_by: NotRequired[str]
    """What routing saw: region and kind of payment method."""
    failed_over: NotRequired[int]
    """How many gateways have been given up."""
    sent_again: NotRequired[int]
    """How often the present gateway, not knowing the key at its deadline, was sent it again."""


def amount_due(context: Context) -> str:
    """What the payment method is asked for."""
    return context.get("due", context["total"])


@dataclass(frozen=True, slots=True)
class Saga:
    """One checkout as its owner sees it. ``step`` and ``epoch`` are what each next write is compared with."""

    id: UUID
    order_id: UUID
    epoch: int
    step: str
    context: Context
    unsaved: Mapping[str, Any] = field(default_factory=dict)
    """What has become known since the last commit; it is written with the next one."""
    untold: tuple[Fact, ...] = ()
    """Facts that the next commit tells."""

    @property
    def user(self) -> UUID | None:
        """The customer's pseudonym; None for a guest."""
        user = self.context["user"]
        return UUID(user) if user else None

    def at(self, step: str, **changes: Any) -> Saga:
        """The saga one step further: everything is written."""
        context: Context = {**self.context, **changes}  # type: ignore[typeddict-item]
        return replace(self, step=step, context=context, unsaved={}, untold=())

    def knowing(self, facts: tuple[Fact, ...], **changes: Any) -> Saga:
        """The saga at the same step, knowing more than is written."""
        context: Context = {**self.context, **changes}  # type: ignore[typeddict-item]
        return replace(self, context=context, unsaved={**self.unsaved, **changes}, untold=(*self.untold, *facts))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told; kept with the checkout, so that a repeat of its key is told the same."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def stored(self) -> dict[str, Any]:
        return {"status": self.status, "body": self.body, "headers": self.headers}

    @classmethod
    def of(cls, problem: Problem) -> Answer:
        """A refusal; the correlation id is the request's own and not kept."""
        document = {name: value for name, value in problem.document().items() if name != "correlation_id"}
        return cls(problem.status, document, dict(problem.headers or {}))


def order_answer(
    saga: Saga, status: str, payment_status: str, *, eta: str | None = None, tracking: str | None = None
) -> Answer:
    """The order as `POST /orders` answers it."""
    context = saga.context
    body = {
        "order_id": str(saga.order_id),
        "status": status,
        "total_amount": context["total"],
        "charges": context.get("charges"),
        "amount_due": amount_due(context),
        "currency": context["currency"],
        "shipping_method": context.get("shipping_method", "standard"),
        "estimated_delivery": eta,
        "tracking_number": tracking,
        "payment_id": context["payment_id"],
        "payment_status": payment_status,
        "items": context["items"],
        "fraud": {"action": context["action"]} if context["action"] else None,
    }
    return Answer(201, body, {})


def lease_end(length: timedelta = LEASE) -> datetime:
    """End of a lease that begins now, in real time."""
    return real_now() + length
