"""The pricing API: quotes for shoppers, changes and proposals for merchandisers and our own processes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional.platform.amounts import Currency, KnownCurrency
from transactional.platform.authentication import CallerDep, InternalDep, MerchandiserDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.pricing import service
from transactional.pricing.quotes import quotes
from transactional.pricing.schemas import (
    ChangesAnswer,
    ChangesRequest,
    CurrencyPrice,
    CurrencyPriceAnswer,
    DecisionAnswer,
    PriceHistoryAnswer,
    ProposalsAdded,
    ProposalsAnswer,
    ProposalsRequest,
    ProposalStatus,
    QuotesAnswer,
)

router = APIRouter(prefix="/pricing", tags=["pricing"])
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/quotes", summary="Prices of products by the current policy", responses=responses(404, 422))
async def get_quotes(
    core: CoreDep,
    caller: CallerDep,
    product_id: Annotated[
        list[UUID], Query(min_length=1, max_length=50, description="Repeat it for several products.")
    ],
    currency: Annotated[Currency | None, Query(description="By default, the products' own.")] = None,
) -> QuotesAnswer:
    return QuotesAnswer.model_validate(await quotes(core, caller, product_id, currency))


@router.post("/changes", summary="Change many prices at once", responses=responses(401, 403, 404, 422))
async def change_prices(body: ChangesRequest, core: CoreDep, caller: MerchandiserDep) -> ChangesAnswer:
    """All or none; each within the limit around its base price. The base price, which is the list price, may be changed
    too."""
    return ChangesAnswer.model_validate({"items": await service.change_prices(core, caller.actor, body.changes)})


@router.put(
    "/products/{product_id}/currencies/{currency}",
    summary="Set a product's price in another currency",
    responses=responses(401, 403, 404, 409, 422),
)
async def set_currency_price(
    product_id: UUID, currency: KnownCurrency, body: CurrencyPrice, core: CoreDep, caller: MerchandiserDep
) -> CurrencyPriceAnswer:
    """Orders paid in that currency cost this; without it, the product's own price is converted."""
    return CurrencyPriceAnswer.model_validate(
        await service.set_currency_price(core, caller.actor, product_id, currency, body.price)
    )


@router.delete(
    "/products/{product_id}/currencies/{currency}",
    status_code=204,
    summary="Convert a product's price again",
    responses=responses(401, 403, 422),
)
async def remove_currency_price(product_id: UUID, currency: Currency, core: CoreDep, caller: MerchandiserDep) -> None:
    await service.remove_currency_price(core, caller.actor, product_id, currency)


@router.get("/proposals", summary="Price proposals, newest first", responses=responses(401, 403, 422))
async def list_proposals(
    core: CoreDep,
    _: MerchandiserDep,
    status: ProposalStatus | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> ProposalsAnswer:
    return ProposalsAnswer.model_validate(await service.proposals(core, status, limit, cursor))


@router.post("/proposals", status_code=201, summary="Propose prices", responses=responses(401, 404, 422))
async def add_proposals(body: ProposalsRequest, core: CoreDep, caller: InternalDep) -> ProposalsAdded:
    """For the pricing job: pending proposals of the same products are superseded, small changes approved at once."""
    added = await service.add_proposals(core, caller.actor, body.model_version, body.proposals)
    return ProposalsAdded.model_validate({"items": added})


@router.post("/proposals/{proposal_id}/approve", summary="Approve a price", responses=responses(401, 403, 404, 409))
async def approve(proposal_id: UUID, core: CoreDep, caller: MerchandiserDep) -> DecisionAnswer:
    return DecisionAnswer.model_validate(await service.decide(core, caller.actor, proposal_id, approve=True))


@router.post("/proposals/{proposal_id}/reject", summary="Reject a price", responses=responses(401, 403, 404, 409))
async def reject(proposal_id: UUID, core: CoreDep, caller: MerchandiserDep) -> DecisionAnswer:
    return DecisionAnswer.model_validate(await service.decide(core, caller.actor, proposal_id, approve=False))


@router.get(
    "/products/{product_id}/history", summary="All prices that a product had", responses=responses(401, 403, 404)
)
async def price_history(
    product_id: UUID, core: CoreDep, _: MerchandiserDep, cursor: str | None = None, limit: Limit = 50
) -> PriceHistoryAnswer:
    return PriceHistoryAnswer.model_validate(await service.history(core, product_id, limit, cursor))
