"""A small loop on real processes: people trade, the pipeline runs, and core, bronze and gold tell the same."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from lakefront.demo import measure, probes
from lakefront.lake import access, tables
from lakefront.secrets import secrets
from lakefront.settings import Settings
from simulator.catalogue import built_in_catalogue
from simulator.client import Client
from simulator.truth import TruthFile
from simulator.world import Plan, World, stock_the_shelves

pytestmark = [pytest.mark.end_to_end, pytest.mark.spark]

SECRET_WORDS = ("is_fraud", "archetype", "stolen_card", "card_testing", "account_takeover", "reshipping", "taste")


@pytest.fixture(scope="module")
def traded(shop: Settings) -> tuple[World, int]:
    """Three days of trade; the world, and how many clicks the shop accepted."""

    async def run() -> tuple[World, int]:
        async with Client(shop.api_url, secrets().internal_key) as client:
            await stock_the_shelves(client)
            world = await World.enter(client, Plan(shoppers=60, seed=5), secrets(), shop.home)
            await world.open_accounts()
            await world.trade(3)
            await measure.wait_for_bronze(client.traffic.events_accepted, world.shopping.session_prefix)
            return world, client.traffic.events_accepted

    return asyncio.run(run())


def test_the_shop_took_everything_that_it_should(traded: tuple[World, int]) -> None:
    world, accepted = traded
    assert world.client.traffic.events_rejected == 0
    assert accepted > 400
    assert world.tally.orders > 10
    assert not {name for name in world.tally.refused if name.startswith(("5", "404", "422"))}, world.tally.refused


def test_a_tenth_of_the_product_days_carries_a_random_price(traded: tuple[World, int], shop: Settings) -> None:
    with access.connect([tables.EVENTS]) as lake:
        (explored,) = lake.execute(  # type: ignore[misc]
            "SELECT count(*) FROM bronze_events WHERE event_type = 'pricing.price.changed.v1'"
            " AND payload ->> '$.data.reason' = 'exploration'"
        ).fetchone()
    assert explored / (3 * len(built_in_catalogue())) == pytest.approx(0.1, abs=0.005)


def test_no_event_and_no_request_carries_the_hidden_truth(traded: tuple[World, int], shop: Settings) -> None:
    """What the simulator knows stays in its folder: the lake, from which models learn, has no trace of it."""
    with access.connect([tables.EVENTS]) as lake:
        for word in SECRET_WORDS:
            (found,) = lake.execute(  # type: ignore[misc]
                "SELECT count(*) FROM bronze_events WHERE contains(lower(payload), ?)", [word]
            ).fetchone()
            assert found == 0, f"{word} stands in {found} events"


def test_the_truth_names_orders_of_the_core(traded: tuple[World, int], shop: Settings) -> None:
    world, _ = traded
    world.keep()
    truth = TruthFile(shop.home).orders()
    assert truth.num_rows == len(world.shopping.orders) > 0
    people = pq.read_table(shop.home / "simulator" / "shoppers-0001.parquet")
    assert people.num_rows == 60
    with access.connect([tables.EVENTS]) as lake:
        lake.register("truth", truth)
        (unknown,) = lake.execute(  # type: ignore[misc]
            "SELECT count(*) FROM truth WHERE order_id NOT IN (SELECT key FROM bronze_events"
            " WHERE event_type = 'commerce.order.placed.v1')"
        ).fetchone()
    assert unknown == 0


def test_a_click_is_a_feature_within_a_second(traded: tuple[World, int], shop: Settings) -> None:
    async def run() -> list[float]:
        async with Client(shop.api_url, secrets().internal_key) as client:
            world = await World.enter(client, Plan(shoppers=60, seed=5), secrets(), shop.home)
            probe, finished = probes.FeatureProbe(world), asyncio.Event()
            watch = asyncio.create_task(probe.watch(finished))
            await asyncio.sleep(4)
            finished.set()
            await watch
            return probe.milliseconds

    milliseconds = sorted(asyncio.run(run()))
    assert len(milliseconds) >= 3
    assert milliseconds[len(milliseconds) // 2] < 1000


def test_gold_tells_what_the_core_tells(traded: tuple[World, int], shop: Settings) -> None:
    world, accepted = traded
    command = [sys.executable, "-m", "lakefront.cli", "pipeline", "run", "--data-only"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=os.environ.copy(), check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = measure.reconcile(accepted, world.shopping.session_prefix, up_to_gold=False)
    assert found.faults() == []
    assert found.orders_gold > 10
    assert float(found.revenue_gold["USD"]) > 0
