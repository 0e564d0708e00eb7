"""Members with a filled cart each, for the benchmarks: many users, products by Zipf's law.

Members, carts, lines and soft reservations are written as `POST /auth/register` and `POST /cart/items` would leave them, set by
set: what is measured begins with the cart. Tokens are signed with the key of the benchmark's own servers, by a process that has
their settings (``python -m bench.shoppers``).
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from bench.environment import Environment

LIFETIME_SECONDS = 3600

MEMBERS = """
WITH wanted AS (
    SELECT n, uuidv7() AS id, uuidv7() AS pseudonym FROM generate_series(%(first)s::int, %(last)s::int) AS n
), member AS (
    INSERT INTO users (id, country, created_at) SELECT id, 'US', now() FROM wanted
), known AS (
    INSERT INTO pseudonyms (user_id, pseudonym) SELECT id, pseudonym FROM wanted
)
SELECT n, id, pseudonym FROM wanted ORDER BY n
"""

# The rank of a product stands for what is wanted of it; the carts' numbers are drawn beforehand.
CARTS = """
WITH wanted AS (
    SELECT t.*, uuidv7() AS cart_id, uuidv7() AS item_id
      FROM unnest(%(members)s::uuid[], %(products)s::uuid[]) AS t (user_id, product_id)
), cart AS (
    INSERT INTO carts (id, user_id, updated_at) SELECT cart_id, user_id, now() FROM wanted
), item AS (
    INSERT INTO cart_items (id, cart_id, product_id, sku, quantity, price_seen)
    SELECT w.item_id, w.cart_id, p.id, p.sku, 1, p.price FROM wanted w JOIN products p ON p.id = w.product_id
), held AS (
    INSERT INTO reservations (id, sku, product_id, quantity, level, expires_at)
    SELECT w.item_id, p.sku, p.id, 1, 'soft', now() + interval '1 hour' FROM wanted w JOIN products p ON p.id = w.product_id
)
SELECT cart_id FROM wanted
"""


@dataclass(frozen=True)
class Shopper:
    """A member, the member's token, and a cart with one product."""

    member: UUID
    cart: UUID
    product: UUID
    token: str


def fill(servers: Environment, products: list[str], first: int) -> list[Shopper]:
    """One shopper for each product named, a product as often as it is wanted. ``first`` numbers them apart from others."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        members = connection.execute(MEMBERS, {"first": first, "last": first + len(products) - 1}).fetchall()
        wanted = {"members": [row[1] for row in members], "products": products}
        carts = [row[0] for row in connection.execute(CARTS, wanted).fetchall()]
        connection.execute("ANALYZE users, carts, cart_items, reservations")
    signed = _signed(servers, [(str(row[1]), str(row[2])) for row in members])
    return [
        Shopper(member[1], cart, UUID(product), token)
        for member, cart, product, token in zip(members, carts, products, signed, strict=True)
    ]


def tokens(servers: Environment, number: int) -> list[str]:
    """Access tokens of so many members who only look."""
    return _signed(servers, [(str(uuid4()), str(uuid4())) for _ in range(number)])


def _signed(servers: Environment, members: list[tuple[str, str]]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.shoppers"], env=servers.variables(), input=json.dumps(members), check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    tokens: list[str] = json.loads(done.stdout)
    return tokens


def _sign(members: list[tuple[str, str]]) -> list[str]:
    import time
    from datetime import UTC, datetime

    from transactional.platform.tokens import Identity, sign

    ends = time.time() + LIFETIME_SECONDS
    since = datetime.now(UTC)
    return [
        sign(Identity(UUID(user), UUID(pseudonym), "shopper", "lakefront.example", "US", since, False, ends))
        for user, pseudonym in members
    ]


if __name__ == "__main__":
    print(json.dumps(_sign(json.load(sys.stdin))))
