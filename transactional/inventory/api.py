"""The inventory API: stock is public, everything else is for merchandisers and our own processes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query

from transactional.inventory import service, warehouses
from transactional.inventory.schemas import (
    LedgerAnswer,
    LowStockList,
    QuantityRequest,
    ReceiptsAnswer,
    ReceiptsRequest,
    ReleaseAnswer,
    ReleaseRequest,
    ReorderLevelRequest,
    ReservationAnswer,
    ReserveRequest,
    StockAnswer,
    WarehouseAnswer,
    WarehouseList,
    WarehouseRequest,
)
from transactional.platform.authentication import Caller, CallerDep, EditorDep, InternalDep, needs
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.platform.patterns import pattern
from transactional.platform.permissions import Permission

router = APIRouter(prefix="/inventory", tags=["inventory"])


Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=300, description="next_cursor of the page before.")]
Code = Annotated[
    str,
    Path(
        pattern=pattern(r"^[A-Za-z0-9_.-]{1,40}$", "1 to 40 letters, digits, '_', '.' and '-', such as east"),
        examples=["east"],
    ),
]


@router.get("/warehouses", summary="List warehouses", responses=responses(401, 403, 422))
async def list_warehouses(
    core: CoreDep, _: Annotated[Caller, needs(Permission.SEE_STOCK)], limit: Limit = 50, cursor: Cursor = None
) -> WarehouseList:
    """By code, with what allocation knows of them."""
    return WarehouseList.model_validate(await warehouses.warehouses(core, limit, cursor))


@router.put("/warehouses/{code}", summary="Say where a warehouse is", responses=responses(401, 403, 422))
async def put_warehouse(
    code: Code, body: WarehouseRequest, core: CoreDep, _: Annotated[Caller, needs(Permission.MANAGE_STOCK)]
) -> WarehouseAnswer:
    """Opens it where there is none of this code. Orders come from the warehouse with the best score of distance (.4),
    availability (.4) and capacity (.2) among those that have enough."""
    return WarehouseAnswer.model_validate(await warehouses.put_warehouse(core, code, body))


@router.get("/alerts", summary="Stock below its reorder level", responses=responses(401, 403, 422))
async def alerts(
    core: CoreDep, _: Annotated[Caller, needs(Permission.SEE_STOCK)], limit: Limit = 50, cursor: Cursor = None
) -> LowStockList:
    """What is to be ordered anew. Each fall below the level is told once, as `inventory.reorder_alert.raised.v1`."""
    return LowStockList.model_validate(await warehouses.below_reorder_level(core, limit, cursor))


@router.get("/ledger/check", summary="Compare the stock with its ledger", responses=responses(401, 403))
async def check_ledger(core: CoreDep, _: Annotated[Caller, needs(Permission.SEE_STOCK)]) -> LedgerAnswer:
    """Adds up every movement ever made and compares it with what is available. Reads the whole ledger."""
    differences = await service.ledger_differences(core)
    return LedgerAnswer.model_validate({"balanced": not differences, "differences": differences})


@router.get("/{product_id}/stock", summary="Stock of a product by warehouse", responses=responses(400, 401, 404, 422))
async def stock(
    product_id: UUID, core: CoreDep, caller: CallerDep, variant_id: Annotated[UUID | None, Query()] = None
) -> StockAnswer:
    """For everyone. Your own cart does not count in `in_carts`. Of a product with variants: all of them together, unless
    one is named."""
    (product_id,) = await service.sold_ids(core, [(product_id, variant_id)])
    return StockAnswer.model_validate(await service.stock_of(core, product_id, caller.user_id, caller.session))


@router.put(
    "/{product_id}/reorder-level",
    summary="Set when a product is to be ordered anew",
    responses=responses(401, 403, 404, 422),
)
async def set_reorder_level(
    product_id: UUID, body: ReorderLevelRequest, core: CoreDep, _: Annotated[Caller, needs(Permission.MANAGE_STOCK)]
) -> StockAnswer:
    """Where the new level is above what is available, an alert is raised at once."""
    (product_id,) = await service.sold_ids(core, [(product_id, body.variant_id)])
    await warehouses.set_reorder_level(core, product_id, body.warehouse, body.reorder_level)
    return StockAnswer.model_validate(await service.stock_of(core, product_id))


@router.put(
    "/{product_id}/quantity", summary="Set the counted quantity of a warehouse", responses=responses(401, 403, 404, 422)
)
async def set_quantity(product_id: UUID, body: QuantityRequest, core: CoreDep, caller: EditorDep) -> StockAnswer:
    """A seller's people set that of their own products, in warehouses that there are."""
    (product_id,) = await service.sold_ids(core, [(product_id, body.variant_id)])
    return StockAnswer.model_validate(await service.count(core, product_id, body.warehouse, body.quantity, caller))


@router.post("/receipts", status_code=201, summary="Book goods that arrived", responses=responses(401, 403, 404, 422))
async def receipts(
    body: ReceiptsRequest, core: CoreDep, _: Annotated[Caller, needs(Permission.MANAGE_STOCK)]
) -> ReceiptsAnswer:
    ids = await service.sold_ids(core, [(one.product_id, one.variant_id) for one in body.receipts])
    taken = [(sold_id, one.warehouse, one.quantity) for sold_id, one in zip(ids, body.receipts, strict=True)]
    changed = await service.receive_goods(core, taken)
    return ReceiptsAnswer(items=[_without_version(row) for row in changed])


@router.post(
    "/reserve", status_code=201, summary="Hold stock for five minutes", responses=responses(401, 404, 409, 422)
)
async def reserve(body: ReserveRequest, core: CoreDep, _: InternalDep) -> ReservationAnswer:
    ids = await service.sold_ids(core, [(line.product_id, line.variant_id) for line in body.items])
    lines = [(sold_id, line.quantity) for sold_id, line in zip(ids, body.items, strict=True)]
    return ReservationAnswer(items=await service.reserve(core, lines, body.country))


@router.post("/release", summary="Give held stock back", responses=responses(401, 404, 409))
async def release(body: ReleaseRequest, core: CoreDep, _: InternalDep) -> ReleaseAnswer:
    return ReleaseAnswer(released=await service.release_free(core, body.reservation_ids))


def _without_version(row: dict[str, Any]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "version"}
