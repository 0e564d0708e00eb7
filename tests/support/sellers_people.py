"""A seller with one person, as tests of sellers use it: what the person does goes through the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from lakefront.ids import new_id

CATEGORY = "tests/things"


@dataclass(frozen=True)
class SellerOf:
    """A seller with one person."""

    code: str
    user: Any
    headers: dict[str, str]
    """Of a login since the account acts for the seller."""
    client: httpx.AsyncClient

    async def list(self, **fields: Any) -> httpx.Response:
        """POST of one product as this person."""
        sku = f"SKU-{new_id().hex}"
        product = {"sku": sku, "title": f"Product {sku[-6:]}", "category": CATEGORY, "price": "10.00", **fields}
        return await self.client.post("/api/v1/products", json={"products": [product]}, headers=self.headers)

    async def product(self, **fields: Any) -> str:
        """Id of a product that this person has listed."""
        answer = await self.list(**fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["items"][0]["product_id"])

    async def change(self, product_id: str, **fields: Any) -> httpx.Response:
        """PATCH as this person."""
        return await self.client.patch(f"/api/v1/products/{product_id}", json=fields, headers=self.headers)


async def log_in(client: httpx.AsyncClient, user: Any) -> dict[str, str]:
    """Headers of a new login."""
    answer = await client.post("/api/v1/auth/login", json={"email": user.email, "password": user.password})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
