"""Carts through the API, and a clock that a test moves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lakefront.ids import new_id
from lakefront.secrets import secrets


class Carts:
    """What shoppers do with their carts; each answers the cart."""

    def __init__(self, shop: Any) -> None:
        self.shop = shop

    @staticmethod
    def guest() -> dict[str, str]:
        """Headers of a guest with a session of its own."""
        return {"X-Session-Id": f"session-{new_id()}"}

    async def add(self, headers: dict[str, str], product: dict[str, Any], quantity: int = 1) -> dict[str, Any]:
        body = {"product_id": product["product_id"], "quantity": quantity}
        return await self._answer(await self.shop.client.post("/api/v1/cart/items", json=body, headers=headers))

    async def look(self, headers: dict[str, str]) -> dict[str, Any]:
        return await self._answer(await self.shop.client.get("/api/v1/cart", headers=headers))

    async def move(self, headers: dict[str, str], item: dict[str, Any], where: str) -> dict[str, Any]:
        """``where``: save-for-later or move-to-cart."""
        url = f"/api/v1/cart/items/{item['item_id']}/{where}"
        return await self._answer(await self.shop.client.post(url, headers=headers))

    async def change(self, headers: dict[str, str], item: dict[str, Any], quantity: int) -> dict[str, Any]:
        url = f"/api/v1/cart/items/{item['item_id']}"
        return await self._answer(await self.shop.client.put(url, json={"quantity": quantity}, headers=headers))

    async def remove(self, headers: dict[str, str], item: dict[str, Any]) -> dict[str, Any]:
        url = f"/api/v1/cart/items/{item['item_id']}"
        return await self._answer(await self.shop.client.delete(url, headers=headers))

    async def offered(self, headers: dict[str, str], product: dict[str, Any]) -> tuple[int, int, int]:
        """What a shopper is told of a product's stock: available, in others' carts, offered."""
        answer = await self.shop.client.get(f"/api/v1/inventory/{product['product_id']}/stock", headers=headers)
        stock = answer.json()
        return stock["available"], stock["in_carts"], stock["offered"]

    async def count(self, product: dict[str, Any], quantity: int) -> None:
        """A count finds so many units in the warehouse 'main'."""
        url = f"/api/v1/inventory/{product['product_id']}/quantity"
        body = {"warehouse": "main", "quantity": quantity}
        key = {"X-Internal-Key": secrets().internal_key}
        assert (await self.shop.client.put(url, json=body, headers=key)).status_code == 200

    async def price(self, product: dict[str, Any], price: str) -> None:
        """The price in force is another now."""
        await self.shop.sql("UPDATE products SET price = %s WHERE id = %s", price, product["product_id"])

    def later(self, **by: float) -> None:
        """Let business time pass: ``later(minutes=16)``."""
        clock = self.shop.core.clock
        clock.set_offset(clock.offset + timedelta(**by))

    @staticmethod
    async def _answer(answer: Any) -> dict[str, Any]:
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())


@pytest.fixture
def carts(shop: Any) -> Carts:
    """What shoppers do with their carts (``Carts``)."""
    return Carts(shop)
