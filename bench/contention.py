"""Orders a second when every client wants the same product, beside the bare guarded UPDATE of its stock row."""

from __future__ import annotations

from pathlib import Path

import psycopg
from rich.console import Console

from bench import checkout, pgbench
from bench.environment import Environment, environment
from bench.results import Result

CLIENTS, ORDERS, BARE_SECONDS = 16, 2000, 6
GUARDED_UPDATE = """UPDATE stock SET available = available - 1, version = version + 1
 WHERE sku = :sku AND warehouse = :warehouse AND available >= 1"""


async def measure(console: Console) -> Result:
    """The shop with one hot product, then pgbench with nothing but the UPDATE that no order can do without."""
    result = Result("contention")
    with environment() as servers:
        shop = await checkout.open_shop(servers)
        servers.start("worker", ["-m", "transactional.worker"], **shop.own)
        hot = shop.products[:1]
        await shop.run(shop.plan(CLIENTS, checkout.WARM_UP_ORDERS, hot))
        console.print(f"{CLIENTS} clients want one product")
        outcome, cpu = await shop.run(shop.plan(CLIENTS, ORDERS, hot))
        servers.stop("worker")
        servers.stop("api")
        console.print("the guarded UPDATE alone")
        bare = await pgbench.run(servers.database_url, *_script(servers, hot[0]), CLIENTS, BARE_SECONDS)
    checkout.report(result, f"_{CLIENTS}", outcome, cpu, bare)
    result.add("sold", outcome.statuses.get("201", 0), "orders", float(ORDERS))
    return result


def _script(servers: Environment, product: str) -> tuple[pgbench.Script, Path]:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        row = connection.execute("SELECT sku, warehouse FROM stock WHERE product_id = %s", (product,)).fetchone()
    assert row is not None, "the product has stock"
    script = pgbench.Script({}, constants={"sku": row[0], "warehouse": row[1]}, statements=[GUARDED_UPDATE])
    file = servers.home / "update.pgbench"
    file.write_text(f"{GUARDED_UPDATE};\n")
    return script, file
