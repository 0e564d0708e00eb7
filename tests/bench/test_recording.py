"""Recorded statements become a pgbench script that does the same work with fresh identifiers."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from bench.pgbench import script_of
from bench.recording import Statement, read_statements, statements_about

PRODUCT, ORDER, CHARGE = str(UUID(int=1)), str(UUID(int=2)), "ch_" + UUID(int=3).hex

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
    sql = "INSERT INTO t SELECT $1, ANY($2::uuid[]), $3, $4, $5, $6 FROM unnest($7)"
    other = (str(UUID(int=8)), f"{{{PRODUCT}}}", "ch_" + UUID(int=9).hex, None, "", '{"at": "two"}', "{1,2}")
    script = script_of(
        [Statement(1, sql, (ORDER, f"{{{PRODUCT}}}", CHARGE, None, "", '{"at": "one"}', "{1,2}"))],
        [Statement(2, sql, other)],
        {PRODUCT: "product"},
    )
    assert script.statements == [
        "INSERT INTO t SELECT :fresh0, ANY(ARRAY[:product]::uuid[]::uuid[]), :fresh1, NULL, '', :p0_6 FROM unnest(:p0_7)"
    ]
    assert script.fresh == {"fresh0": "uuidv7()", "fresh1": "'ch_' || replace(uuidv7()::text, '-', '')"}
    assert script.constants == {"p0_6": '{"at": "one"}', "p0_7": "{1,2}"}


def test_recordings_of_different_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="the recordings differ"):
        script_of([Statement(1, "SELECT 1")], [Statement(1, "SELECT 2")], {})
    with pytest.raises(ValueError, match="the recordings differ: nothing"):
        script_of([], [], {})


def test_text_that_pgbench_would_read_as_its_variable_is_refused() -> None:
    one = [Statement(1, "SELECT to_char($1::timestamptz, 'HH24:MI')", ("2026-01-01",))]
    with pytest.raises(ValueError, match="for its variable"):
        script_of(one, one, {})
