"""The import of the Online Retail log: what is taken, what is left out, and that the amounts add up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from lakefront.contracts import Envelope, data_model, partition_of
from lakefront.settings import settings
from transactional.accounts.personal import index_of, opened_email
from transactional.importers import command
from transactional.importers.departments import categories, department_of
from transactional.importers.online_retail import import_log
from transactional.importers.online_retail_log import REASONS, BadLog

DATA = Path(os.environ.get("LAKEFRONT_TEST_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
UK = "United Kingdom"


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2011, 3, day, hour, 30)


# Two customers, two products, one price change with a bulk discount beside it, and one line for every reason.
LINES: list[tuple[Any, ...]] = [
    ("536001", "85123A", "WHITE  HANGING HEART T-LIGHT HOLDER ", 6, at(1), 2.55, 17850, UK),
    ("536001", "22423", "REGENCY CAKESTAND 3 TIER", 1, at(1), 12.75, 17850, UK),
    ("536002", "85123a", "WHITE HANGING HEART T-LIGHT HOLDER", 3, at(2), 2.55, 12583, "France"),
    ("536002", "85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 1, at(2), 2.55, 12583, "France"),
    ("536003", "85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 2, at(3), 2.95, 17850, UK),
    ("536003", "85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 1, at(3), 2.95, 17850, UK),
    ("536003", "85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 100, at(3), 0.125, 17850, UK),
    ("536004", "22423", "REGENCY CAKESTAND 3 TIER", 2, at(4), 12.75, 12583, "France"),
    # left out
    ("536004", "22423", "REGENCY CAKESTAND 3 TIER", 2, at(4), 12.75, 12583, "France"),  # duplicate
    ("C536005", "22423", "REGENCY CAKESTAND 3 TIER", -1, at(5), 12.75, 17850, UK),  # cancelled
    ("536004", "POST", "POSTAGE", 1, at(4), 18.0, 12583, "France"),  # postage
    ("536004", "BANK CHARGES", "Bank Charges", 1, at(4), 15.001, 12583, "France"),  # fee
    ("536006", "gift_0001_20", "Gift Voucher", 1, at(5), 16.67, 17850, UK),  # voucher
    ("536006", "DCGS0003", "BOXED GLASS ASHTRAY", 1, at(5), 1.25, 17850, UK),  # not a product
    ("536007", "22423", "REGENCY CAKESTAND 3 TIER", 1, at(5), 25.49, None, UK),  # no customer
    ("536008", "22423", "REGENCY CAKESTAND 3 TIER", -5, at(6), 12.75, 17850, UK),  # no quantity
    ("536008", "22423", "REGENCY CAKESTAND 3 TIER", 1, at(6), 0.0, 17850, UK),  # no price
    ("536009", None, None, 1, at(6), 1.0, 17850, UK),  # incomplete
]


def log_table(lines: list[tuple[Any, ...]] = LINES) -> pa.Table:
    return pa.table({name: [line[place] for line in lines] for place, name in enumerate(COLUMNS)})


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    path = tmp_path / "log.parquet"
    pq.write_table(log_table(), path)
    return path


@pytest.fixture
def shop(new_database: Callable[..., str], migrated_template: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """A database of one test's own, to be asked; ``shop.url`` is its address."""
    url = new_database(migrated_template)
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query).fetchall()

        ask.url = url  # type: ignore[attr-defined]
        yield ask


def events(shop, event_type: str) -> list[Envelope]:
    envelopes = [Envelope.model_validate_json(text) for (text,) in shop("SELECT envelope FROM outbox ORDER BY id")]
    return [envelope for envelope in envelopes if envelope.event_type == event_type]


def test_every_line_is_taken_or_left_out_for_a_reason_and_the_amounts_add_up(shop, log_file: Path) -> None:
    changed, summary = import_log(log_file, shop.url)
    assert changed
    assert summary["taken"] | {"events": 0} == {
        "lines": 8, "amount": "85.1000", "products": 2, "customers": 2, "prices": 4, "orders": 4,
        "orders_total": "85.10", "currency": "GBP", "events": 0,
    }  # fmt: skip
    assert {one["reason"]: one["lines"] for one in summary["left_out"]} == dict.fromkeys(REASONS, 1)
    every = [summary["taken"], *summary["left_out"]]
    expected = sum((Decimal(str(line[5])) * line[3] for line in LINES), Decimal(0))
    assert sum((Decimal(one["amount"]) for one in every), Decimal(0)) == Decimal(summary["file"]["amount"]) == expected
    assert sum(one["lines"] for one in every) == summary["file"]["lines"] == len(LINES)


def test_orders_keep_their_time_and_their_amounts(shop, log_file: Path) -> None:
    import_log(log_file, shop.url)
    orders = shop(
        "SELECT external_reference, total, status, channel, currency, placed_at, version FROM orders ORDER BY placed_at"
    )
    assert orders == [
        ("536001", Decimal("28.0500"), "delivered", "import", "GBP", at(1).replace(tzinfo=UTC), 2),
        ("536002", Decimal("10.2000"), "delivered", "import", "GBP", at(2).replace(tzinfo=UTC), 2),
        ("536003", Decimal("21.3500"), "delivered", "import", "GBP", at(3).replace(tzinfo=UTC), 2),
        ("536004", Decimal("25.5000"), "delivered", "import", "GBP", at(4).replace(tzinfo=UTC), 2),
    ]
    assert shop("SELECT sum(total) FROM order_lines") == [(Decimal("85.1000"),)]
    assert shop(
        "SELECT line_number, quantity, unit_price, l.total FROM order_lines l JOIN orders o ON o.id = order_id"
        " WHERE external_reference = '536003' ORDER BY line_number"
    ) == [
        (1, 2, Decimal("2.9500"), Decimal("5.9000")),
        (2, 1, Decimal("2.9500"), Decimal("2.9500")),
        (3, 100, Decimal("0.1250"), Decimal("12.5000")),
    ]
    assert shop("SELECT fact, sequence, count(*) FROM order_history GROUP BY fact, sequence ORDER BY sequence") == [
        ("commerce.order.placed.v1", 1, 4), ("commerce.order.status_changed.v1", 2, 4),
    ]  # fmt: skip


def test_prices_follow_the_log_and_end_at_the_base_price(shop, log_file: Path) -> None:
    import_log(log_file, shop.url)
    history = shop(
        "SELECT sku, h.version, h.valid_from, h.price, reason FROM price_history h JOIN products p ON p.id = product_id"
        " ORDER BY sku, h.version"
    )
    end = at(4).replace(tzinfo=UTC)
    assert history == [
        ("22423", 2, at(1).replace(tzinfo=UTC), Decimal("12.7500"), "import"),
        ("85123A", 2, at(1).replace(tzinfo=UTC), Decimal("2.5500"), "import"),
        ("85123A", 3, at(3).replace(tzinfo=UTC), Decimal("2.9500"), "import"),
        ("85123A", 4, end, Decimal("2.5500"), "import"),
    ]


def test_events_leave_with_their_old_time_in_order_and_by_contract(shop, log_file: Path) -> None:
    _, summary = import_log(log_file, shop.url)
    rows = [(p, Envelope.model_validate_json(text)) for p, text in shop("SELECT partition, envelope FROM outbox")]
    assert len(rows) == summary["taken"]["events"]
    sequences: dict[str, list[int]] = {}
    for partition, envelope in rows:
        assert partition == partition_of(envelope.key, settings().bus_partitions)
        data = data_model(envelope.event_type).model_validate(envelope.data)
        assert data.key == envelope.key
        assert envelope.occurred_at.year == 2011 < envelope.recorded_at.year
        sequences.setdefault(envelope.key, []).append(envelope.sequence or 0)
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in sequences.values())
    placed = events(shop, "commerce.order.placed.v1")
    assert sum(Decimal(one.data["total"]) for one in placed) == Decimal("85.10")
    assert {one.data["shipping_country"] for one in placed} == {"GB", "FR"}
    assert [one.data["account_age_days"] for one in placed] == [0.0, 0.0, 2.0, 2.0]


def test_customers_are_pseudonyms_who_cannot_log_in(shop, log_file: Path) -> None:
    import_log(log_file, shop.url)
    users = shop("SELECT id, email, password_hash, country, pseudonym::text FROM users JOIN pseudonyms ON user_id = id")
    assert {(opened_email(user_id, email), password, country) for user_id, email, password, country, _ in users} == {
        ("customer-17850@online-retail.example", None, "GB"), ("customer-12583@online-retail.example", None, "FR"),
    }  # fmt: skip
    told = " ".join(text for (text,) in shop("SELECT envelope FROM outbox"))
    assert all(pseudonym in told for *_, pseudonym in users)
    assert "17850" not in told
    assert not any(str(user_id) in told for (user_id,) in shop("SELECT id FROM users"))


def test_the_catalogue_can_be_traded_on(shop, log_file: Path) -> None:
    import_log(log_file, shop.url)
    products = shop(
        "SELECT p.sku, title, path, p.price = base_price, available, status, currency FROM products p"
        " JOIN categories c ON c.id = category_id JOIN stock s ON s.product_id = p.id ORDER BY p.sku"
    )
    assert products == [
        ("22423", "Regency cakestand 3 tier", "home/kitchen", True, 50, "active", "GBP"),
        ("85123A", "White hanging heart t-light holder", "home/lighting", True, 113, "active", "GBP"),
    ]
    assert shop("SELECT sum(available) - (SELECT sum(change) FROM stock_ledger) FROM stock") == [(0,)]


def counts(shop) -> list[tuple[Any, ...]]:
    return shop(
        "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox), (SELECT count(*) FROM users),"
        " (SELECT count(*) FROM products), (SELECT count(*) FROM price_history), (SELECT count(*) FROM imports)"
    )


def test_a_second_run_changes_nothing(shop, log_file: Path) -> None:
    first = import_log(log_file, shop.url)
    before = counts(shop)
    assert import_log(log_file, shop.url) == (False, first[1])
    assert counts(shop) == before


def test_another_log_after_the_first_is_refused(shop, log_file: Path, tmp_path: Path) -> None:
    import_log(log_file, shop.url)
    other = tmp_path / "other.parquet"
    pq.write_table(log_table(LINES[:3]), other)
    with pytest.raises(BadLog, match="not the same file"):
        import_log(other, shop.url)


def test_a_shop_that_has_some_of_it_already_stays_as_it_was(shop, log_file: Path) -> None:
    index = index_of("Customer-12583@online-retail.example").hex()
    shop(
        f"INSERT INTO users (id, email_index, created_at) VALUES (gen_random_uuid(), '\\x{index}', '2020-01-01') RETURNING id"
    )
    before = counts(shop)
    with pytest.raises(BadLog, match="already"):
        import_log(log_file, shop.url)
    assert counts(shop) == before


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_csv_gives_the_same_as_parquet(shop, tmp_path: Path, encoding: str) -> None:
    lines = [(*line[:2], line[2] and line[2].replace("T-LIGHT", "£ T-LIGHT"), *line[3:]) for line in LINES]
    table = log_table(lines)
    table = table.set_column(
        4, "InvoiceDate", [[f"{line[4].month}/{line[4].day}/2011 {line[4]:%H:%M}" for line in lines]]
    )
    pa_csv.write_csv(table, tmp_path / "log.csv")
    path = tmp_path / "log.csv"
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    _, summary = import_log(path, shop.url)
    assert summary["taken"]["orders_total"] == "85.10"
    assert {one["reason"]: one["lines"] for one in summary["left_out"]} == dict.fromkeys(REASONS, 1)
    assert shop("SELECT title FROM products WHERE sku = '85123A'") == [("White hanging heart £ t-light holder",)]
    assert shop("SELECT min(placed_at) FROM orders") == [(at(1).replace(tzinfo=UTC),)]


def test_files_that_are_no_log_are_named_with_what_is_wrong(shop, tmp_path: Path) -> None:
    def refused(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(BadLog) as error:
            import_log(path, shop.url)
        return str(error.value)

    assert "cannot be read as parquet" in refused("noise.parquet", b"noise")
    assert "only .parquet and .csv" in refused("book.xlsx", b"PK")
    assert "no column InvoiceNo, StockCode" in refused("other.csv", b"a,b\n1,2\n")
    assert "it has no lines" in refused("empty.csv", ",".join(COLUMNS).encode() + b"\n")
    with pytest.raises(BadLog, match="cannot be read"):
        import_log(tmp_path / "absent.parquet", shop.url)
    assert counts(shop) == [(0, 0, 0, 0, 0, 0)]


def test_the_command_tells_what_it_took_and_what_is_wrong(shop, log_file: Path, settings_with, tmp_path: Path) -> None:
    with settings_with(LAKEFRONT_DATABASE_URL=shop.url, COLUMNS="200"):
        first = CliRunner().invoke(command.app, ["online-retail", str(log_file)])
        second = CliRunner().invoke(command.app, ["online-retail", str(log_file)])
        wrong = CliRunner().invoke(command.app, ["online-retail", str(tmp_path / "absent.csv")])
    assert first.exit_code == second.exit_code == 0
    assert "4 orders over 85.10 GBP" in first.output
    assert "nothing was changed" in second.output
    assert wrong.exit_code == 1
    assert "cannot be read" in " ".join(wrong.output.split())


def test_a_file_of_bad_lines_alone_is_refused_with_the_reasons(shop, tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(log_table([line for line in LINES if line[0] in ("C536005", "536007", "536008")]), path)
    with pytest.raises(BadLog) as error:
        import_log(path, shop.url)
    assert "no line of it can be taken as a sale" in str(error.value)
    for reason in ("cancelled", "no_customer", "no_quantity", "no_price"):
        assert f"1 × {REASONS[reason]}" in str(error.value)


def test_a_country_that_nobody_knows_is_told(shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "atlantis.parquet"
    nowhere = ("536010", "22423", "REGENCY CAKESTAND 3 TIER", 1, at(7), 12.75, 17999, "Atlantis")
    unnamed = ("536011", "22423", "REGENCY CAKESTAND 3 TIER", 1, at(7), 12.75, 18000, "Unspecified")
    pq.write_table(log_table([*LINES, nowhere, unnamed]), path)
    _, summary = import_log(path, shop.url)
    assert summary["unknown_countries"] == {"Atlantis": 1}
    command.show(summary)
    assert "Atlantis (1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("RED RETROSPOT SHOPPER BAG", "fashion/bags"),
        ("PAPER CHAIN KIT 50'S CHRISTMAS", "seasonal/christmas"),
        ("SET 7 BABUSHKA NESTING BOXES", "home/storage"),
        ("WHITE METAL LANTERN", "home/lighting"),
        ("SOMETHING ELSE", "gifts"),
    ],
)
def test_titles_lead_to_departments(title: str, path: str) -> None:
    assert department_of(title).path == path
    assert path in dict(categories())


def test_the_real_log(shop) -> None:
    path = DATA / "orders" / "online_retail.parquet"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    changed, summary = import_log(path, shop.url)
    assert changed
    assert summary["file"] == {"lines": 541_909, "amount": "9747747.9340"}
    reasons = {one["reason"]: one for one in summary["left_out"]}
    assert reasons["duplicate"]["lines"] == 5_268
    every = [summary["taken"], *summary["left_out"]]
    assert sum(one["lines"] for one in every) == 541_909
    assert sum((Decimal(one["amount"]) for one in every), Decimal(0)) == Decimal("9747747.934")
    taken = summary["taken"]
    assert (taken["lines"], taken["products"], taken["customers"], taken["orders"]) == (391_150, 3_659, 4_334, 18_402)
    assert shop("SELECT count(*), sum(total) FROM orders") == [(18_402, Decimal(taken["orders_total"]))]
    assert shop("SELECT count(*), sum(total) FROM order_lines") == [(391_150, Decimal(taken["orders_total"]))]
    told = sum(
        (Decimal(orjson.loads(text)["data"]["total"]) for (text,) in shop(
            "SELECT envelope FROM outbox WHERE envelope LIKE '%commerce.order.placed.v1%'")), Decimal(0),
    )  # fmt: skip
    assert told == Decimal(taken["orders_total"])
    assert shop("SELECT count(*) FROM outbox") == [(taken["events"],)]
    assert shop("SELECT count(*) FROM products WHERE price <> base_price OR price <= 0") == [(0,)]
