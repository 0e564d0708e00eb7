"""Models' outputs on their way to the shop: a refused version, too little data or a core that is away skip, and say why."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from lakefront.ids import new_id
from lakefront.secrets import secrets
from pipelines import core_api, publishing, resources
from pipelines.assets import publishing as assets
from pipelines.assets.models import MODELS
from pipelines.assets.outcome import SKIPPED
from pipelines.core_api import CoreRefused, CoreUnreachable
from pipelines.resources import PipelineRun
from pipelines.training import Trained


@pytest.fixture(autouse=True)
def priority_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process must not lower the priority of the tests that follow."""
    monkeypatch.setattr(resources, "lower_priority", lambda: None)


def trained(moment: Any, *, promoted: bool = True, proposals: int = 2) -> Trained:
    rows = [
        {"product_id": str(new_id()), "factor": 1.05, "reasons": json.dumps({"text": "Demand is high."})}
        for _ in range(proposals)
    ]
    outputs = {"proposals": pa.Table.from_pylist(rows)}
    return Trained("v1", promoted, ["recall does not beat popularity"], {}, moment(0), outputs)


class Shop(ThreadingHTTPServer):
    """Takes proposals as the core does: remembers requests, approves the first and leaves the others pending."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers.get("X-Internal-Key"), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 201
        items = [
            {"proposal_id": str(new_id()), "product_id": one["product_id"], "factor": one["factor"],
             "status": "pending" if number else "approved"}
            for number, one in enumerate(body["proposals"])
        ]  # fmt: skip
        answer = json.dumps({"items": items} if status == 201 else {"code": "not_valid"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def shop(settings_with: Any) -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with settings_with(LAKEFRONT_API_PORT=str(server.server_port)):
        yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_shop(settings_with: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(core_api.time, "sleep", lambda _: None)
    with settings_with(LAKEFRONT_API_PORT="1"):
        yield


def materialized(value: Trained) -> dg.ExecuteInProcessResult:
    """The part of the graph behind the pricing model, with the model given."""

    @dg.asset(key=MODELS["pricing"])
    def pricing() -> Trained:
        return value

    return dg.materialize(
        [pricing, assets.price_proposals, assets.product_price], resources={"run": PipelineRun()}, raise_on_error=False
    )


def reason(result: dg.ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    return str(event.asset_observation_data.asset_observation.metadata[SKIPPED].value)


def skipped(result: dg.ExecuteInProcessResult) -> list[str | None]:
    return [event.step_key for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_SKIPPED]


def test_proposals_reach_the_core_with_the_internal_key(shop: Shop, moment: Any) -> None:
    value = trained(moment)
    proposed = publishing.propose_prices(value)
    [(path, key, body)] = shop.requests
    assert (path, key, body["model_version"]) == ("/api/v1/pricing/proposals", secrets().internal_key, "v1")
    assert body["proposals"][0]["reasons"] == {"text": "Demand is high."}
    assert (proposed.approved, proposed.pending) == (1, 1)
    assert proposed.factors["product_id"].to_pylist() == value.outputs["proposals"]["product_id"].to_pylist()


def test_many_proposals_go_in_several_calls(shop: Shop, moment: Any) -> None:
    publishing.propose_prices(trained(moment, proposals=publishing.PROPOSALS_A_CALL + 1))
    assert [len(body["proposals"]) for _, _, body in shop.requests] == [publishing.PROPOSALS_A_CALL, 1]


def test_a_core_that_stumbles_is_asked_again(shop: Shop, moment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_api.time, "sleep", lambda _: None)
    shop.statuses = [503]
    assert publishing.propose_prices(trained(moment)).approved == 1
    assert len(shop.requests) == 2


def test_a_refusal_is_not_repeated(shop: Shop, moment: Any) -> None:
    shop.statuses = [422]
    with pytest.raises(CoreRefused, match="not_valid"):
        publishing.propose_prices(trained(moment))
    assert len(shop.requests) == 1


def test_a_core_that_is_away_is_named(no_shop: None, moment: Any) -> None:
    with pytest.raises(CoreUnreachable, match=r"127\.0\.0\.1:1"):
        publishing.propose_prices(trained(moment))


def test_without_the_core_the_asset_says_why_and_what_needs_it_is_skipped(no_shop: None, moment: Any) -> None:
    result = materialized(trained(moment))
    assert result.success
    assert "did not take /pricing/proposals" in reason(result)
    assert skipped(result) == ["features__product_price"]


def test_a_refused_version_is_not_published(shop: Shop, moment: Any) -> None:
    result = materialized(trained(moment, promoted=False))
    assert result.success
    assert "recall does not beat popularity" in reason(result)
    assert skipped(result) == ["features__product_price"]
    assert shop.requests == []


def test_too_little_data_skips_that_model_only(moment: Any) -> None:
    from models.errors import TooLittleData
    from pipelines.assets.outcome import given_or_skipped

    def train() -> Trained:
        raise TooLittleData("fraud", "3 frauds are needed")

    @dg.asset(output_required=False)
    def fraud(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        yield from given_or_skipped(context, train, (TooLittleData,), lambda _: {})

    @dg.asset(deps=[fraud])
    def risk() -> None:
        raise AssertionError("risk was computed without a model")

    @dg.asset
    def pricing() -> int:
        return 1

    result = dg.materialize([fraud, risk, pricing])
    assert result.success
    assert "3 frauds are needed" in reason(result)
    assert skipped(result) == ["risk"]
    assert result.output_for_node("pricing") == 1
