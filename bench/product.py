"""Product pages a second, with authentication, limiter, metrics and logging on, beside a bare FastAPI answer."""

from __future__ import annotations

from rich.console import Console

from bench import catalogue
from bench.environment import Environment, environment
from bench.load import Outcome, Plan, send
from bench.results import Result, quantile
from lakefront.runtime import ports
from lakefront.secrets import load_secrets

PRODUCTS, USERS, CLIENTS, SECONDS = 1000, 50, 16, 8.0


async def measure(console: Console) -> Result:
    """Fill 1,000 products, read them by Zipf's law as 50 members; one worker each for the shop and the bare route."""
    result = Result("product")
    with environment() as servers:
        key = load_secrets(servers.home).internal_key
        port = ports.any_free()
        url = f"http://127.0.0.1:{port}"
        servers.start("api", ["-m", "transactional.serve"], LAKEFRONT_API_PORT=str(port), LAKEFRONT_API_WORKERS="1")
        servers.wait_for(f"{url}/health/live")
        console.print(f"filling {PRODUCTS} products, registering {USERS} members")
        ids = await catalogue.fill(url, key, PRODUCTS, 100)
        tokens = await catalogue.members(url, key, USERS)
        requests = [
            {
                "path": f"/api/v1/products/{product}",
                "headers": {"Authorization": f"Bearer {tokens[place % USERS]}", "X-Internal-Key": key},
            }
            for place, product in enumerate(ids)
        ]
        weights = catalogue.zipf_weights(len(requests))
        bare_port = ports.any_free()
        bare_url = f"http://127.0.0.1:{bare_port}"
        servers.start("bare", ["-m", "bench.bare"], BENCH_PORT=str(bare_port))
        servers.wait_for(f"{bare_url}/products/x")
        console.print("the bare route")
        bare_requests = [{"path": f"/products/{product}"} for product in ids]
        bare, bare_cpu = await _run(servers, "bare", Plan(bare_url, bare_requests, CLIENTS, SECONDS, weights=weights))
        console.print("the shop")
        shop, shop_cpu = await _run(servers, "api", Plan(url, requests, CLIENTS, SECONDS, weights=weights))
    result.add("product_pages_per_s", shop.rate, "1/s", bare.rate)
    result.add("product_pages_per_cpu_s", 1000 / shop_cpu, "1/cpu-s", 1000 / bare_cpu)
    result.add("cpu_ms_per_page", shop_cpu, "ms")
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        result.add(f"latency_{name}", quantile(shop.latencies_ms, share), "ms")
    refused = sum(count for status, count in shop.statuses.items() if int(status) >= 400)
    result.add("refused", refused, "answers")
    return result


async def _run(servers: Environment, process: str, plan: Plan) -> tuple[Outcome, float]:
    """The outcome of a plan and the server's CPU-ms per answer, warm-up left out of both."""
    warm = Plan(**{**plan.__dict__, "seconds": 2.0, "warm_up_seconds": 0.0})
    await send(warm)
    before = servers.cpu_seconds(process)
    outcome = await send(Plan(**{**plan.__dict__, "warm_up_seconds": 0.0}))
    used = servers.cpu_seconds(process) - before
    return outcome, used * 1000 / sum(outcome.statuses.values())
