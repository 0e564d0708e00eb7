"""The demo's steps: what each does and what it must find to hold. Their order is the business of ``rounds``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakefront.clock import real_now
from lakefront.demo import measure, probes, programs
from lakefront.demo.measure import Latencies, Reconciliation, Window
from lakefront.demo.report import Pricing, Recommendations, Report
from lakefront.demo.stage import Live, StepFailed
from lakefront.money import amounts_text
from lakefront.runtime import machine
from lakefront.secrets import MERCHANDISER, secrets
from lakefront.settings import settings
from simulator.client import API, Client
from simulator.truth import TruthFile
from simulator.world import Plan, World, stock_the_shelves

VISITS_PER_SECOND = 6.0
"""Walking pace: some 20 requests a second, an order every half second."""
MEASURED_SECONDS, SHORTLY_MEASURED_SECONDS = 20.0, 8.0
MOST_FALLBACKS = 0.05
"""A latency of decisions that were not made as they should be says nothing."""
MODELS_LIVE_SECONDS = 60.0
APPROVED_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    shoppers: int
    days: int
    days_with_models: int
    seed: int
    import_file: Path | None


class Demo:
    """State that steps hand on: the client, the world, moments of real time."""

    def __init__(self, options: Options, report: Report) -> None:
        self._options = options
        self._report = report
        self._client: Client | None = None
        self._world: World | None = None
        self._judged_from = real_now()
        self.was_trained = False

    @property
    def client(self) -> Client:
        if self._client is None:
            raise StepFailed("there is no connection to the shop")
        return self._client

    @property
    def world(self) -> World:
        if self._world is None:
            raise StepFailed("nobody lives in the world yet")
        return self._world

    @property
    def log(self) -> Path:
        return settings().home / "logs" / "demo.log"

    async def close(self) -> None:
        """Write the truth down and let go of the shop."""
        if self._world is not None:
            self._world.keep()
        if self._client is not None:
            await self._client.__aexit__(None, None, None)

    async def start(self, live: Live) -> str:
        """PostgreSQL, two Redis processes, the core, relay, writers, pages, Dagster."""
        self.was_trained = all(measure.champions()[model] for model in ("recommendation", "fraud"))
        report = await asyncio.to_thread(machine.up, simulation=True, say=live.say)
        settings.cache_clear()
        secrets.cache_clear()
        self._client = await Client(settings().api_url, secrets().internal_key).__aenter__()
        if report.was_running and not report.started:
            return "everything was running already"
        if report.switched:
            return f"switched to simulation mode, for which {len(report.started)} processes were restarted"
        return f"{len(report.started)} processes in simulation mode, the shop answers at {settings().api_url}"

    async def fill(self, live: Live) -> str:
        """The built-in catalogue, unless the shop has products already."""
        listed = await self.client.request("GET", f"{API}/products", params={"limit": "1"})
        if listed.body.get("items"):
            return "the shop has its products already"
        live.say("listing products")
        return f"{await stock_the_shelves(self.client):,} products in the built-in catalogue"

    async def take_over(self, live: Live) -> str:
        """A real order log becomes catalogue, customers, prices and past orders, and reaches bronze."""
        said = await programs.lakefront(
            "import", "online-retail", str(self._options.import_file), log=self.log, say=live.say
        )
        live.say("waiting for the past orders in bronze")
        seconds = await measure.wait_for_bronze(0, "no session", 240.0)
        return f"{said[-1].strip() if said else 'imported'}; in bronze {seconds:.0f} s later"

    async def move_in(self, live: Live) -> str:
        """People with hidden tastes open accounts."""
        plan = Plan(self._options.shoppers, self._options.seed)
        self._world = await World.enter(self.client, plan, secrets(), settings().home)
        await self.world.open_accounts(live.share)
        return f"{len(self.world.shoppers):,} shoppers with tastes of their own, seed {self.world.state.seed}"

    async def history(self, live: Live) -> str:
        """A first history, as fast as the shop can take it."""
        return await self._trade(self._options.days, live)

    async def trade_with_models(self, live: Live) -> str:
        """Trade on with the models in force; from here on frauds are judged."""
        await self._models_live(live)
        self._judged_from = real_now()
        return await self._trade(self._options.days_with_models, live)

    async def pipeline(self, live: Live) -> str:
        """Bronze to silver to gold, training, the gates, publishing."""
        await self._caught_up(live)
        before = measure.champions()
        await programs.lakefront("pipeline", "run", log=self.log, say=live.say, niced=True)
        now = measure.champions()
        changed = [model for model in now if now[model] != before[model]]
        kept = [model for model in now if now[model] == before[model] and now[model]]
        parts = [
            f"new models in force: {', '.join(changed)}" if changed else "no new model was better than the one in force"
        ]
        if kept:
            parts.append(f"as before: {', '.join(kept)}")
        if missing := [model for model in now if now[model] is None]:
            parts.append(f"too little data yet for: {', '.join(missing)}")
        return "; ".join(parts)

    async def close_the_books(self, live: Live) -> str:
        """Bring gold up to the last order, then compare the stations."""
        await self._caught_up(live)
        await programs.lakefront("pipeline", "run", "--data-only", log=self.log, say=live.say, niced=True)
        return await self.reconcile(live, up_to_gold=False)

    async def reconcile(self, live: Live, *, up_to_gold: bool = True) -> str:
        """Compare core, bronze and gold.

        ``up_to_gold`` leaves out what was ordered after the newest order of gold. That tells nothing of older orders that
        changed or were imported since gold was made, so where the stations differ gold is brought up to date first.
        """
        await self._caught_up(live)
        live.say("comparing core, bronze and gold")
        found, renewed = await self._compared(up_to_gold=up_to_gold), ""
        if up_to_gold and found.faults():
            live.say("gold is behind the core: bringing it up to date")
            await programs.lakefront("pipeline", "run", "--data-only", log=self.log, say=live.say, niced=True)
            found, renewed = await self._compared(up_to_gold=True), "; gold was behind and took them in first"
        self._report.reconciliation = found
        self._report.business_days = await asyncio.to_thread(measure.business_days)
        if faults := found.faults():
            raise StepFailed("; ".join(faults))
        clicks = f" and {found.events_accepted:,} clicks of this run" if found.events_accepted else ""
        return f"{found.orders_core:,} orders worth {amounts_text(found.revenue_core)}{clicks}, the same everywhere{renewed}"

    async def _compared(self, *, up_to_gold: bool) -> Reconciliation:
        accepted, prefix = self.client.traffic.events_accepted, self.world.shopping.session_prefix
        return await asyncio.to_thread(measure.reconcile, accepted, prefix, up_to_gold=up_to_gold)

    async def measure_under_traffic(self, live: Live) -> str:
        """Visits at a walking pace while decisions and probes are timed."""
        return await self._measure(live, MEASURED_SECONDS)

    async def measure_shortly(self, live: Live) -> str:
        """The same for a second start."""
        return await self._measure(live, SHORTLY_MEASURED_SECONDS)

    async def _measure(self, live: Live, seconds: float) -> str:
        await self._models_live(live)

        async def wait() -> None:
            for second in range(int(seconds)):
                live.share(second / seconds, "visits, orders and probes")
                await asyncio.sleep(1)

        self._report.latency_ms = await self._under_traffic(wait)
        return self._held_latency(self._report.latency_ms)

    async def pipeline_under_traffic(self, live: Live) -> str:
        """A pipeline at low priority while the shop trades on."""
        detail = ""

        async def run() -> None:
            nonlocal detail
            detail = await self.pipeline(live)

        self._report.latency_ms_while_training = await self._under_traffic(run)
        return f"{detail}; {self._held_latency(self._report.latency_ms_while_training)}"

    async def approve_prices(self, live: Live) -> str:
        """A merchandiser logs in, reads proposals, approves some; the price in the shop changes."""
        login = await self.client.request(
            "POST", f"{API}/auth/login", {"email": MERCHANDISER, "password": secrets().merchandiser_password}
        )
        if not login.ok:
            raise StepFailed(f"{MERCHANDISER} cannot log in: {login.status} {login.code}")
        headers = {"Authorization": f"Bearer {login.body['access_token']}"}
        pending = await self.client.pages("/pricing/proposals", {"status": "pending", "limit": "200"})
        if not pending:
            raise StepFailed("no proposal awaits approval")
        changed = 0
        for proposal in pending[:APPROVED_AT_ONCE]:
            product = f"{API}/products/{proposal['product_id']}"
            live.say(f"approving {proposal['current_price']} → {proposal['proposed_price']}")
            answer = await self.client.request(
                "POST", f"{API}/pricing/proposals/{proposal['proposal_id']}/approve", headers=headers
            )
            if not answer.ok:
                raise StepFailed(f"a proposal could not be approved: {answer.status} {answer.code}")
            changed += await self._price_becomes(product, proposal["proposed_price"])
        if changed < min(len(pending), APPROVED_AT_ONCE):
            raise StepFailed(f"only {changed} of {min(len(pending), APPROVED_AT_ONCE)} approved prices are in the shop")
        first = pending[0]
        return f"{changed} approved, all in the shop; the first {first['current_price']} → {first['proposed_price']}"

    async def react(self, live: Live) -> str:
        """Recommendations before a click, and within a second after it."""
        await self._models_live(live)
        known = await asyncio.to_thread(measure.products_known)
        reaction = await probes.reaction_to_clicks(self.world, known)
        self._report.recommendations.changed_after_click = reaction.changed
        if not reaction.changed:
            raise StepFailed(f"the recommendations stayed as they were ({reaction.strategy})")
        new = len(set(reaction.after) - set(reaction.before))
        return f"{new} of {len(reaction.after)} are new {reaction.milliseconds:.0f} ms after the click ({reaction.strategy})"

    async def judge_recommendations(self, live: Live) -> str:
        """The champion's metrics, from its own split by time."""
        live.say("reading the champion's metrics")
        metrics = measure.champion_metrics("recommendation")
        if not metrics:
            raise StepFailed("no recommendation model is in force")
        found = Recommendations(
            users=int(metrics.get("test_users", 0)),
            recall_at_20=round(metrics["recall_at_20"], 4),
            popularity_recall_at_20=round(metrics["popularity_recall_at_20"], 4),
            changed_after_click=self._report.recommendations.changed_after_click,
        )
        self._report.recommendations = found
        times = 1.0 if self._options.import_file else 2.0
        if found.recall_at_20 <= times * found.popularity_recall_at_20:
            raise StepFailed(
                f"recall@20 {found.recall_at_20:.3f} is not above {times:g} × popularity's {found.popularity_recall_at_20:.3f}"
            )
        ratio = found.recall_at_20 / max(found.popularity_recall_at_20, 1e-9)
        return f"recall@20 {found.recall_at_20:.3f}, {ratio:.1f} times popularity's"

    async def judge_fraud(self, live: Live) -> str:
        """Scores of orders placed after training, against the simulator's truth."""
        return await self._judge_fraud(live, self._judged_from)

    async def judge_all_frauds(self, live: Live) -> str:
        """The same for all orders that a model has judged since the data folder was made."""
        return await self._judge_fraud(live, measure.BEGINNING_OF_TIME)

    async def _judge_fraud(self, live: Live, since: datetime) -> str:
        live.say("joining scores with the hidden truth")
        self.world.keep()
        await self._caught_up(live)
        truth = TruthFile(settings().home).orders()
        found = await asyncio.to_thread(measure.fraud_figures, truth, Window(since, real_now()))
        self._report.fraud = found
        if found.frauds == 0:
            raise StepFailed(f"no fraud among {found.orders} orders that a model judged")
        if found.auc <= 0.9:
            raise StepFailed(f"AUC {found.auc:.3f} on {found.orders} orders with {found.frauds} frauds is not above .9")
        return (
            f"AUC {found.auc:.3f}, average precision {found.average_precision:.3f} on {found.orders} orders "
            f"with {found.frauds} frauds: {found.frauds_in_words}"
        )

    async def judge_prices(self, live: Live) -> str:
        """All proposals so far, and what waits for a person."""
        live.say("reading proposals")
        proposals = await self.client.pages("/pricing/proposals", {"limit": "200"})
        waiting = [proposal for proposal in proposals if proposal["status"] == "pending"]
        changes = [abs(float(proposal["factor"]) - 1) for proposal in proposals]
        self._report.pricing = Pricing(
            products=len({proposal["product_id"] for proposal in proposals}),
            proposals=len(proposals),
            largest_change=round(max(changes, default=0.0), 4),
            awaiting_approval=len(waiting),
        )
        if not proposals:
            raise StepFailed("there are no price proposals")
        if self._report.pricing.largest_change > settings().price_change_limit + 1e-6:
            raise StepFailed(f"a proposal goes {self._report.pricing.largest_change:.1%} from the base price")
        return f"{len(proposals):,} proposals, the largest {max(changes):.1%}, {len(waiting):,} await approval"

    async def _trade(self, days: int, live: Live) -> str:
        tally = self.world.tally
        visits, orders, began = tally.visits, tally.orders, time.monotonic()
        clicks, frauds = self.client.traffic.events_accepted, tally.frauds + tally.declined_frauds
        await self.world.trade(days, live.share)
        if unexpected := {name: count for name, count in tally.refused.items() if name.startswith("5")}:
            raise StepFailed(f"the shop answered with errors: {unexpected}", "read `lakefront logs api`")
        clicks = self.client.traffic.events_accepted - clicks
        return (
            f"{days} days: {tally.visits - visits:,} visits, {clicks:,} clicks, {tally.orders - orders:,} orders, "
            f"{tally.frauds + tally.declined_frauds - frauds} frauds "
            f"({clicks / (time.monotonic() - began):,.0f} clicks a second)"
        )

    async def _under_traffic(self, work: Callable[[], Awaitable[None]]) -> Latencies:
        """Do something while visits begin at a walking pace, and measure the shop meanwhile."""
        finished, probe = asyncio.Event(), probes.FeatureProbe(self.world)
        trade = asyncio.create_task(self.world.trade_until(finished, VISITS_PER_SECOND))
        watch = asyncio.create_task(probe.watch(finished))
        began = real_now()
        try:
            await work()
        finally:
            ended = real_now()
            finished.set()
            await asyncio.gather(trade, watch)
        await measure.wait_for_bronze(self.client.traffic.events_accepted, self.world.shopping.session_prefix)
        window = Window(began, ended)
        fallbacks = await asyncio.to_thread(measure.fallbacks, window)
        if fallbacks.share > MOST_FALLBACKS:
            raise StepFailed(str(fallbacks))
        return await asyncio.to_thread(measure.latencies, window, probe.milliseconds)

    @staticmethod
    def _held_latency(found: Latencies) -> str:
        return (
            f"click to feature {found.click_to_feature_p95:.0f} ms, to bronze {found.click_to_bronze_p95:.0f} ms (p95), "
            f"recommendation {found.recommendation_p99:.1f} ms, fraud {found.fraud_p99:.1f} ms (p99)"
        )

    async def _caught_up(self, live: Live) -> None:
        live.say("waiting until bronze has everything")
        prefix = self.world.shopping.session_prefix if self._world else "no session"
        await measure.wait_for_bronze(self.client.traffic.events_accepted if self._world else 0, prefix)

    async def _models_live(self, live: Live) -> None:
        """Wait until the core has loaded the recommendation model in force."""
        wanted = measure.champions()["recommendation"]
        deadline = time.monotonic() + MODELS_LIVE_SECONDS
        live.say("waiting for the core to load the models")
        while True:
            answer = await self.client.request("GET", f"{API}/recommendations")
            version = answer.body.get("metadata", {}).get("model_version")
            if wanted is not None and version == wanted:
                return
            if time.monotonic() > deadline:
                raise StepFailed(f"the core serves model {version}, in force is {wanted}", "read `lakefront logs api`")
            await asyncio.sleep(0.3)

    async def _price_becomes(self, path: str, price: str) -> bool:
        """Whether the product page shows the price within the time that pages may lag."""
        for _ in range(30):
            answer = await self.client.request("GET", path)
            if answer.body.get("price") == price:
                return True
            await asyncio.sleep(0.2)
        return False
