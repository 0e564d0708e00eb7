"""Requests and answers of the payments API."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from transactional.orders.schemas import PaymentMethod, PaymentMethodType, Strict
from transactional.platform.patterns import pattern


class ProcessRequest(Strict):
    """Pay an order whose payment failed."""

    order_id: UUID
    payment_method: PaymentMethod
    payment_method_type: PaymentMethodType = None


class PaymentAnswer(BaseModel):
    payment_id: UUID
    order_id: UUID
    status: str = Field(examples=["captured"])
    amount: str = Field(examples=["59.98"])
    captured: str
    refunded: str
    currency: str
    gateway: str
    failure_reason: str | None


class RefundRequest(Strict):
    """Give back all that was captured, with what gift cards and store credit paid, or a part of what was captured."""

    payment_id: UUID
    amount: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=4, examples=["10.00"])] | None = None
    reason: (
        Annotated[
            str,
            Field(
                max_length=60,
                pattern=pattern(r"^[a-z0-9_]+$", "a code of small letters, digits and '_', such as damaged"),
            ),
        ]
        | None
    ) = Field(None, description="A stable code.", examples=["damaged"])


class RefundAnswer(BaseModel):
    """A refund that was accepted; the gateway pays it out shortly."""

    refund_id: UUID
    payment_id: UUID
    amount: str
    currency: str
    status: str


class Webhook(BaseModel):
    """What the sandbox gateway tells by itself."""

    model_config = ConfigDict(extra="ignore")  # a gateway may add fields at any time

    type: Literal["charge_back", "authorized"]
    gateway: Literal["sandbox", "sandbox-backup"] = "sandbox"
    merchant_reference: UUID
    occurred_at: AwareDatetime | None = None


class WebhookAnswer(BaseModel):
    received: bool
    payment_status: str | None = Field(None, description="Nothing where the news is of no payment of ours.")
