"""The built-in catalogue: some 360 believable products in 20 categories under 10 departments, the same on every
machine."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulator.vocabulary import COLOURS, LEAVES, SIZES, STYLES, Leaf

PRODUCTS_PER_CATEGORY = 18
WAREHOUSES = ("east", "west", "central")
WAREHOUSE_PLACES: dict[str, dict[str, Any]] = {
    "east": {"name": "Newark", "country": "US", "latitude": 40.7, "longitude": -74.2, "capacity": 4000},
    "west": {"name": "Reno", "country": "US", "latitude": 39.5, "longitude": -119.8, "capacity": 3000},
    "central": {"name": "Kansas City", "country": "US", "latitude": 39.1, "longitude": -94.6, "capacity": 6000},
}
"""As ``PUT /inventory/warehouses/{code}`` takes them."""
CURRENCY = "USD"


def built_in_catalogue() -> list[dict[str, Any]]:
    """Products as ``POST /products`` takes them, with their first stock. Deterministic: no two calls differ."""
    rng = random.Random("lakefront catalogue 1")
    tiers = {brand: rng.uniform(0.8, 1.35) for leaf in LEAVES for brand in leaf.brands}
    return [product for leaf in LEAVES for product in _category(leaf, tiers, rng)]


def _category(leaf: Leaf, tiers: dict[str, float], rng: random.Random) -> list[dict[str, Any]]:
    """Products of one category: every noun comes in a few styles and from a few brands."""
    prefix = "".join(part[:3] for part in leaf.path.split("/")).upper()
    shelf = [(thing, price, style) for thing, price in leaf.things for style in leaf.styles]
    rng.shuffle(shelf)
    return [
        _product(f"{prefix}-{number:03d}", leaf, (thing, usual_price, style), tiers, rng)
        for number, (thing, usual_price, style) in enumerate(shelf[:PRODUCTS_PER_CATEGORY], start=1)
    ]


def _product(
    sku: str, leaf: Leaf, what: tuple[str, float, str], tiers: dict[str, float], rng: random.Random
) -> dict[str, Any]:
    thing, usual_price, style = what
    brand, material = rng.choice(leaf.brands), rng.choice(leaf.materials)
    variant = rng.choice(SIZES if leaf.is_consumable else COLOURS)
    price = _charming_price(usual_price * tiers[brand] * rng.lognormvariate(0, 0.12))
    return {
        "sku": sku,
        "title": f"{brand} {style} {thing}, {variant}",
        "description": (
            f"{thing} by {brand}, {material if leaf.is_consumable else f'with {material} details'}, {variant}. "
            f"{style} means {STYLES[style]}. Made for {leaf.purpose}."
        ),
        "category": leaf.path,
        "brand": brand,
        "currency": CURRENCY,
        "price": str(price),
        "attributes": {
            "style": style.lower(),
            "material": material,
            "size" if leaf.is_consumable else "colour": variant,
            "weight_grams": rng.randrange(80, 4000, 20),
        },
        "stock": _first_stock(price, rng),
    }


def _charming_price(amount: float) -> Decimal:
    """A price as shops write it: 12.90, 48.95, 119.00; never below 4.90."""
    whole = max(int(amount), 4)
    cents = Decimal("0.90") if whole < 20 else Decimal("0.95") if whole < 100 else Decimal(0)
    return (whole + cents).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def _first_stock(price: Decimal, rng: random.Random) -> dict[str, int]:
    """Cheap things lie in heaps, dear ones in dozens, not everything in every warehouse."""
    depth = 160 if price < 30 else 90 if price < 100 else 50
    return {code: rng.randrange(depth // 4, depth) for code in rng.sample(WAREHOUSES, k=rng.choice((1, 2, 2, 3)))}
