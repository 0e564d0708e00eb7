"""The inventory API: stock is public, everything else is for merchandisers and our own processes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from transactional.inventory import service
from transactional.inventory.schemas import (
    QuantityRequest,
    ReceiptsAnswer,
    ReceiptsRequest,
    ReleaseAnswer,
    ReleaseRequest,
    ReservationAnswer,
    ReserveRequest,
    StockAnswer,
)
from transactional.platform.authentication import InternalDep, MerchandiserDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(prefix="/inventory", tags=["inventory"])


@router.get("/{product_id}/stock", summary="Stock of a product by warehouse", responses=responses(404))
async def stock(product_id: UUID, core: CoreDep) -> StockAnswer:
    return StockAnswer.model_validate(await service.stock_of(core, product_id))


@router.put(
    "/{product_id}/quantity", summary="Set the counted quantity of a warehouse", responses=responses(401, 403, 404)
)
async def set_quantity(product_id: UUID, body: QuantityRequest, core: CoreDep, _: MerchandiserDep) -> StockAnswer:
    return StockAnswer.model_validate(await service.count(core, product_id, body.warehouse, body.quantity))


@router.post("/receipts", status_code=201, summary="Book goods that arrived", responses=responses(401, 403, 404))
async def receipts(body: ReceiptsRequest, core: CoreDep, _: MerchandiserDep) -> ReceiptsAnswer:
    taken = [(receipt.product_id, receipt.warehouse, receipt.quantity) for receipt in body.receipts]
    changed = await service.receive_goods(core, taken)
    return ReceiptsAnswer(items=[_without_version(row) for row in changed])


@router.post("/reserve", status_code=201, summary="Hold stock for five minutes", responses=responses(401, 404, 409))
async def reserve(body: ReserveRequest, core: CoreDep, _: InternalDep) -> ReservationAnswer:
    lines = [(line.product_id, line.quantity) for line in body.items]
    return ReservationAnswer(items=await service.reserve(core, lines))


@router.post("/release", summary="Give held stock back", responses=responses(401, 404, 409))
async def release(body: ReleaseRequest, core: CoreDep, _: InternalDep) -> ReleaseAnswer:
    return ReleaseAnswer(released=await service.release_free(core, body.reservation_ids))


def _without_version(row: dict[str, Any]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "version"}
