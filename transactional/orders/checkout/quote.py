"""The quote: what the asked products cost now, from which warehouse they would come, and what is charged besides."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.money import line_total, rounded
from transactional.catalogue.variants import check_variants, own_id, require_variants
from transactional.inventory.allocation import best
from transactional.inventory.errors import OutOfStock, UnknownProducts
from transactional.orders.checkout import store
from transactional.orders.checkout.shipping import (
    Destination,
    ShippingOption,
    crosses_border,
    shipping_option,
    shipping_options,
)
from transactional.orders.checkout.totals import Line, Quote
from transactional.orders.errors import (
    CartEmpty,
    MixedCurrencies,
    PriceChanged,
    ShippingNotAvailable,
    TotalChanged,
)
from transactional.orders.schemas import Item, Purchase
from transactional.platform.authentication import Caller
from transactional.platform.database import Connection
from transactional.platform.errors import not_found
from transactional.platform.query import Row, rows
from transactional.pricing.currencies import prices_in
from transactional.promotions import service as promotions
from transactional.promotions.discounts import Coupon, discount_of, shares
from transactional.stored_value import service as stored_value
from transactional.tariffs.exchange import converted
from transactional.tariffs.snapshot import Tariffs
from transactional.tariffs.taxes import Goods, Sale


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the units of each product, and the unit prices that the client expects."""

    quantities: dict[UUID, int]
    expected: dict[UUID, set[Decimal]]
    products: list[Row]
    """What the shop has of them, where it sells them."""
    cart_id: UUID | None = None
    cart_version: int | None = None


def scope_of(caller: Caller) -> str:
    """Whose idempotency keys and uses of coupons these are: the account's or the guest session's."""
    return f"user:{caller.user_id}" if caller.user_id else f"session:{caller.session}"


async def asked_items(connection: Connection, items: list[Item]) -> Asked:
    """Two lines of one product are one; their units are summed. Raises UnknownVariant."""
    quantities: dict[UUID, int] = defaultdict(int)
    expected: dict[UUID, set[Decimal]] = defaultdict(set)
    for item in items:
        sold_id = own_id(item.product_id, item.variant_id)
        quantities[sold_id] += item.quantity
        if item.price is not None:
            expected[sold_id].add(item.price)
    await check_variants(connection, ((item.product_id, item.variant_id) for item in items))
    return Asked(
        dict(quantities), dict(expected), await rows(connection, store.PRODUCTS, {"product_ids": list(quantities)})
    )


async def asked_cart(connection: Connection, cart_id: UUID, caller: Caller) -> Asked:
    """The content of the caller's cart; its version makes sure that no other request orders it too."""
    owner = {"cart_id": cart_id, "user_id": caller.user_id, "session": caller.session}
    found = await rows(connection, store.CART, owner)
    if not found:
        raise not_found("cart", cart_id)
    quantities = {row["asked_product_id"]: row["quantity"] for row in found if row["asked_product_id"] is not None}
    if not quantities:
        raise CartEmpty()
    products = [row for row in found if row["product_id"] is not None]
    return Asked(quantities, {}, products, cart_id, found[0]["version"])


async def quote(
    connection: Connection, tariffs: Tariffs, caller: Caller, asked: Asked, terms: Purchase, now: datetime
) -> Quote:
    """What the order costs now. Raises UnknownProducts, VariantRequired, MixedCurrencies, CurrencyNotAvailable,
    PriceChanged, OutOfStock, CouponNotValid, ShippingNotAvailable, RegionNeeded, GiftCardNotValid, TotalChanged."""
    destination = destination_of(caller, terms)
    found = asked.products
    for row in found:
        wanted = asked.quantities[row["product_id"]]
        row["warehouse"], row["available"] = best(row["warehouses"], wanted, destination.country, destination.region)
    if missing := asked.quantities.keys() - {row["product_id"] for row in found}:
        await require_variants(connection, missing)
        raise UnknownProducts(missing)
    currency = await _price(connection, tariffs, found, terms.currency)
    short = [row for row in found if row["available"] < asked.quantities[row["product_id"]]]
    if short:
        raise OutOfStock((row["product_id"], asked.quantities[row["product_id"]], row["available"]) for row in short)
    lines = [_line(row, asked.quantities[row["product_id"]], currency) for row in found]
    lines.sort(key=lambda line: (line.sku, line.warehouse))
    coupon, discount = None, Decimal(0)
    if terms.coupon_code is not None:
        coupon = await promotions.usable(connection, terms.coupon_code, scope_of(caller), now)
        discount = discount_of(coupon, sum((line.total for line in lines), Decimal(0)), currency)
        lines = _discounted(lines, discount, currency)
    quoted = await _charged(tariffs, lines, currency, discount, coupon, destination, terms, now)
    if any(row["currency"] != currency for row in found):
        quoted = replace(quoted, listed=_listed(quoted, tariffs, found, asked))
    credit_of = caller.user_id if terms.use_store_credit else None
    if terms.gift_card_codes or credit_of:
        drawn = await stored_value.draws(connection, terms.gift_card_codes, credit_of, quoted.total, currency, now)
        quoted = replace(quoted, draws=drawn)
    if any(price != row["unit_price"] for row in found for price in asked.expected.get(row["product_id"], ())):
        raise PriceChanged(quoted.answer())
    if terms.expected_total not in (None, quoted.total) or terms.expected_amount_due not in (None, quoted.due):
        raise TotalChanged(quoted.answer())
    return quoted


def destination_of(caller: Caller, terms: Purchase) -> Destination:
    """Where the order goes: as the request says, else the country that the account names."""
    country, region = terms.destination()
    return Destination(country or caller.country, region)


def offered(tariffs: Tariffs, quoted: Quote, destination: Destination, now: datetime) -> list[ShippingOption]:
    """Every way in which the quoted lines can be sent."""
    return shipping_options(tariffs, quoted.warehouses, destination, (quoted.goods, quoted.currency), now)


async def _price(connection: Connection, tariffs: Tariffs, found: list[Row], wanted: str | None) -> str:
    """Give each row its unit price in the currency of the order, and answer that currency."""
    own = {row["currency"] for row in found}
    if wanted is None and len(own) > 1:
        raise MixedCurrencies(own)
    currency: str = wanted or found[0]["currency"]
    products = ((row["product_id"], row["price"], row["currency"]) for row in found)
    prices = await prices_in(connection, tariffs, products, currency)
    for row in found:
        row["unit_price"] = prices[row["product_id"]]
    return currency


async def _charged(
    tariffs: Tariffs,
    lines: list[Line],
    currency: str,
    discount: Decimal,
    coupon: Coupon | None,
    destination: Destination,
    terms: Purchase,
    now: datetime,
) -> Quote:
    """The lines with what is charged besides them."""
    goods = sum((line.total for line in lines), Decimal(0))
    warehouses = [line.warehouse for line in lines]
    shipping = shipping_option(tariffs, terms.shipping_method, warehouses, destination, (goods, currency), now)
    if shipping is None:
        others = shipping_options(tariffs, warehouses, destination, (goods, currency), now)
        raise ShippingNotAvailable(terms.shipping_method, [option.answer(currency) for option in others])
    sale = Sale(
        currency,
        destination.country,
        destination.region,
        [Goods(one.category_path, one.total, crosses_border(tariffs, one.warehouse, destination)) for one in lines],
        shipping.cost,
    )
    tax, duties = await tariffs.tax.tax(sale), await tariffs.duties.duties(sale)
    return Quote(lines, currency, discount, shipping, tax, duties, coupon)


def _listed(quoted: Quote, tariffs: Tariffs, found: list[Row], asked: Asked) -> tuple[Decimal, str]:
    """The total in the products' own currency; of several, in the first by its code. Without a rate (prices were set for
    the currency) it is what the products cost where they are listed."""
    currency = min(row["currency"] for row in found)
    total = converted(quoted.total, quoted.currency, currency, tariffs.per_euro)
    if total is None:
        costs = ((row["price"] * asked.quantities[row["product_id"]], row["currency"]) for row in found)
        total = sum((converted(cost, own, currency, tariffs.per_euro) or cost for cost, own in costs), Decimal(0))
    return rounded(total, currency), currency


def _discounted(lines: list[Line], discount: Decimal, currency: str) -> list[Line]:
    parts = shares(discount, [line.total for line in lines], currency)
    return [replace(line, discount=part, total=line.total - part) for line, part in zip(lines, parts, strict=True)]


def _line(row: dict[str, Any], quantity: int, currency: str) -> Line:
    return Line(
        product_id=row["product_id"],
        sku=row["sku"],
        title=row["title"],
        category_path=row["category_path"],
        warehouse=row["warehouse"],
        quantity=quantity,
        listed_price=row["price"],
        unit_price=row["unit_price"],
        discount=Decimal(0),
        total=line_total(row["unit_price"], quantity, currency),
    )
