"""Recorded statements become a pgbench script that does the same work with fresh identifiers."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from bench.pgbench import script_of
from bench.recording import Statement, read_statements, statements_about

PRODUCT, ORDER = str(UUID(int=1)), str(UUID(int=2))

LOG = f"""backend 7 LOG:  statement: BEGIN
backend 8 LOG:  execute <unnamed>: SELECT offset_interval FROM clock
backend 7 LOG:  execute _pg3_2: INSERT INTO orders (id,
\tnote)
\tVALUES ($1, $2)
backend 9 LOG:  checkpoint starting: time
backend 7 DETAIL:  Parameters: $1 = '{ORDER}', $2 = 'it''s $1 = ''x'', NULL
\tand more'
backend 8 LOG:  execute <unnamed>: SELECT $1
backend 8 DETAIL:  Parameters: $1 = NULL
backend 7 LOG:  statement: COMMIT
"""


def test_a_transaction_is_found_whole_among_what_other_backends_do(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("an earlier line\n" + LOG)
    found = statements_about(read_statements(log, 0), [ORDER])
    assert found == [
        Statement(7, "BEGIN"),
        Statement(
            7, "INSERT INTO orders (id,\nnote)\nVALUES ($1, $2)", (ORDER, "it's $1 = 'x', NULL\nand more")
        ),
        Statement(7, "COMMIT"),
    ]  # fmt: skip
    assert Statement(8, "SELECT $1", (None,)) in read_statements(log, 0)


def test_what_differs_is_drawn_and_the_rest_is_sent_as_recorded() -> None:
    sql = "INSERT INTO t SELECT $1, ANY($2::uuid[]), $3, $4, $5, $6 FROM unnest($7), $8"
    first, second = ((str(UUID(int=number)), "ch_" + UUID(int=number + 1).hex) for number in (2, 8))
    one, another = (
        (order, f"{{{PRODUCT}}}", charge, None, "", f'{{"at": "{at}"}}', "{1,2}", f'{{"id": "{order}"}}')
        for (order, charge), at in ((first, "one"), (second, "two"))
    )
    script = script_of([Statement(1, sql, one)], [Statement(2, sql, another)], {PRODUCT: "product"})
    assert script.statements == [
        "INSERT INTO t SELECT :fresh0, ANY(:p0_2::uuid[]), :fresh1, NULL, '', :p0_6 FROM unnest(:p0_7), :p0_8"
    ]
    assert script.constants == {"p0_6": '{"at": "one"}', "p0_7": "{1,2}"}
    assert script.variables == ["product", "fresh0", "fresh1", "p0_2", "p0_8"]
    product, fresh, charge, products, document = script.draw({"product": "the-product"})
    assert (product, products) == ("the-product", "{the-product}")
    assert UUID(fresh) != UUID(first[0]) and charge.startswith("ch_") and charge != first[1]
    assert document == f'{{"id": "{fresh}"}}'


def test_recordings_of_different_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="the recordings differ"):
        script_of([Statement(1, "SELECT 1")], [Statement(1, "SELECT 2")], {})
    with pytest.raises(ValueError, match="the recordings differ: nothing"):
        script_of([], [], {})


def test_text_that_pgbench_would_read_as_its_variable_is_refused() -> None:
    one = [Statement(1, "SELECT to_char($1::timestamptz, 'HH24:MI')", ("2026-01-01",))]
    with pytest.raises(ValueError, match="for its variable"):
        script_of(one, one, {})
