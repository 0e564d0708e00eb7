"""Gift cards and store credit: made by merchandisers, looked up by those who have them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header

from transactional.platform.authentication import Caller, CallerDep, MemberDep, needs
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission
from transactional.stored_value import service
from transactional.stored_value.schemas import (
    BalanceAnswer,
    BalanceRequest,
    GiftCardAnswer,
    GiftCardDetail,
    IssuedGiftCard,
    NewGiftCard,
    NewStoreCredit,
    StoreCreditAnswer,
    StoreCreditsAnswer,
)

router = APIRouter(tags=["promotions"])
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="One key issues once.", examples=["birthday-2026-17"]),
]


@router.post("/gift-cards", status_code=201, summary="Issue a gift card", responses=responses(401, 403, 422))
async def issue_gift_card(
    body: NewGiftCard,
    core: CoreDep,
    caller: Annotated[Caller, needs(Permission.ISSUE_STORED_VALUE)],
    idempotency_key: IdempotencyKey = None,
) -> IssuedGiftCard:
    """Its code is told in this answer and kept nowhere; only the same `Idempotency-Key` tells it again."""
    return IssuedGiftCard.model_validate(await service.issue_card(core, caller.actor, body, idempotency_key))


@router.post("/gift-cards/balance", summary="What is left on a gift card", responses=responses(401, 404, 422))
async def gift_card_balance(body: BalanceRequest, core: CoreDep, _: CallerDep) -> BalanceAnswer:
    return BalanceAnswer.model_validate(await service.balance_of(core, body.code))


@router.get("/gift-cards/{gift_card_id}", summary="A gift card with its ledger", responses=responses(401, 403, 404))
async def get_gift_card(
    gift_card_id: UUID, core: CoreDep, _: Annotated[Caller, needs(Permission.ISSUE_STORED_VALUE)]
) -> GiftCardDetail:
    return GiftCardDetail.model_validate(await service.card_of(core, gift_card_id))


@router.post("/gift-cards/{gift_card_id}/end", summary="End a gift card", responses=responses(401, 403, 404))
async def end_gift_card(
    gift_card_id: UUID, core: CoreDep, _: Annotated[Caller, needs(Permission.ISSUE_STORED_VALUE)]
) -> GiftCardAnswer:
    """Nothing more is paid from it; what orders hold of it stays theirs. Ending it twice changes nothing."""
    return GiftCardAnswer.model_validate(await service.end(core, gift_card_id))


@router.post(
    "/store-credit", status_code=201, summary="Give an account credit", responses=responses(401, 403, 404, 422)
)
async def issue_store_credit(
    body: NewStoreCredit,
    core: CoreDep,
    caller: Annotated[Caller, needs(Permission.ISSUE_STORED_VALUE)],
    idempotency_key: IdempotencyKey = None,
) -> StoreCreditAnswer:
    """It joins what the account has in that currency."""
    return StoreCreditAnswer.model_validate(await service.issue_credit(core, caller.actor, body, idempotency_key))


@router.get("/store-credit", summary="One's store credit", responses=responses(401))
async def get_store_credit(core: CoreDep, member: MemberDep) -> StoreCreditsAnswer:
    return StoreCreditsAnswer.model_validate(await service.credit_of(core, member.member_id))
