"""pgbench with recorded statements: what PostgreSQL alone reaches for the same work, the same commits and round trips.

Two recordings of the same request tell what is new each time: an identifier that differs, whether it is a parameter or
stands within one, is another one in each transaction. Everything else is sent as it was recorded, as a parameter and not in
the statement's text, so that PostgreSQL reads, checks and plans what it read, checked and planned for Lakefront. What is new
lies ready in a table, so that a transaction spends one more SELECT on it and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.recording import Statement
from lakefront.ids import new_id
from lakefront.runtime import postgres

_IDENTIFIER = re.compile(r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?P<kind>[a-z]+_)[0-9a-f]{32}")
_PLACEHOLDER = re.compile(r"\$(\d+)")
_LOOKS_LIKE_VARIABLE = re.compile(r"(?<!:):(?=\w)")
_DRAW = "SELECT d.* FROM (SELECT nextval('bench_next') AS n OFFSET 0) t JOIN bench_draws d ON d.n = t.n \\gset"


@dataclass
class Script:
    """A transaction for pgbench. ``constants`` are parameters that are the same each time."""

    given: dict[str, str]
    """Recorded value → variable, of what the caller has a value for each time."""
    fresh: dict[str, str] = field(default_factory=dict)
    """Recorded identifier → variable, of what is made anew each time."""
    texts: dict[str, str] = field(default_factory=dict)
    """Variable → parameter that holds given or fresh values besides others."""
    constants: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)

    @property
    def variables(self) -> list[str]:
        """What a transaction draws."""
        return [*self.given.values(), *self.fresh.values(), *self.texts]

    def draw(self, values: Mapping[str, str]) -> list[str]:
        """The variables of one transaction, for these given values by variable."""
        known = {recorded: values[variable] for recorded, variable in self.given.items()}
        known |= {recorded: _another(recorded) for recorded in self.fresh}
        anything = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))))
        filled = [anything.sub(lambda found: known[found[0]], text) for text in self.texts.values()]
        return [*known.values(), *filled]

    def text(self) -> str:
        """The script: one SELECT that draws, and the statements."""
        return "\n".join([_DRAW, *(f"{each};" for each in self.statements)])


def script_of(recorded: list[Statement], again: list[Statement], given: dict[str, str]) -> Script:
    """Turn two recordings of the same request into a script. Raises ValueError when they are not the same."""
    if not recorded or [each.sql for each in recorded] != [each.sql for each in again]:
        raise ValueError(f"the recordings differ: {_verbs(recorded)} and {_verbs(again)}")
    script = Script(dict(given))
    for one, other in zip(recorded, again, strict=True):
        for value, second in zip(one.parameters, other.parameters, strict=True):
            _find_fresh(script, value or "", second or "")
    script.statements = [_statement(script, place, each) for place, each in enumerate(recorded)]
    return script


def _verbs(statements: list[Statement]) -> str:
    return ", ".join(" ".join(each.sql.split()[:4]) for each in statements) or "nothing"


def _find_fresh(script: Script, value: str, second: str) -> None:
    """Times and numbers that differ are not looked for: they are not unique, and sent as recorded."""
    ones, others = ([found[0] for found in _IDENTIFIER.finditer(text)] for text in (value, second))
    if len(ones) != len(others):
        raise ValueError(f"the recordings differ: {value[:200]} and {second[:200]}")
    for one, other in zip(ones, others, strict=True):
        if one != other and one not in script.given and one not in script.fresh:
            script.fresh[one] = f"fresh{len(script.fresh)}"


def _another(recorded: str) -> str:
    """A new identifier of the same kind."""
    found = _IDENTIFIER.fullmatch(recorded)
    assert found is not None, "only identifiers are made anew"
    return str(new_id()) if found["uuid"] else found["kind"] + new_id().hex


def _statement(script: Script, place: int, recorded: Statement) -> str:
    for text in _PLACEHOLDER.split(recorded.sql)[::2]:
        if _LOOKS_LIKE_VARIABLE.search(text):
            raise ValueError(f"pgbench would take a part of this statement for its variable: {text[:200]}")

    def parameter(match: re.Match[str]) -> str:
        return _parameter(script, f"p{place}_{match[1]}", recorded.parameters[int(match[1]) - 1])

    return _PLACEHOLDER.sub(parameter, recorded.sql.rstrip(";"))


def _parameter(script: Script, name: str, value: str | None) -> str:
    if value is None:
        return "NULL"
    known = script.given | script.fresh
    if value in known:
        return f":{known[value]}"
    if not value:
        return "''"  # pgbench takes no empty definition
    kind = script.texts if any(each in value for each in known) else script.constants
    kind[name] = value
    return f":{name}"


def fill(database_url: str, script: Script, given: Iterable[Mapping[str, str]]) -> None:
    """Lay ready what the next transactions draw, one row each, read at once: no value is stored outside of its row."""
    columns = [f"{name} text STORAGE MAIN" for name in script.variables]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_draws; DROP SEQUENCE IF EXISTS bench_next")
        connection.execute("CREATE SEQUENCE bench_next")
        table = (
            f"CREATE TABLE bench_draws (n bigint PRIMARY KEY, {', '.join(columns)}) WITH (toast_tuple_target = 8160)"
        )
        connection.execute(table.encode())
        with connection.cursor() as cursor, cursor.copy("COPY bench_draws FROM STDIN") as copy:
            for number, values in enumerate(given, 1):
                copy.write_row([number, *script.draw(values)])
        connection.execute("ANALYZE bench_draws")


@dataclass(frozen=True)
class Run:
    """What pgbench reports."""

    transactions: int
    rate: float


async def run(database_url: str, script: Script, file: Path, clients: int, seconds: int) -> Run:
    """Run a script's file with prepared statements. Raises RuntimeError when a statement failed."""
    definitions = [part for name, value in script.constants.items() for part in ("-D", f"{name}={value}")]
    address = conninfo_to_dict(database_url)
    process = await asyncio.create_subprocess_exec(
        postgres.program("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)),
        "-T", str(seconds), "-f", str(file), *definitions,
        env={
            **os.environ, "PGHOST": str(address["host"]), "PGPORT": str(address["port"]), "PGTZ": "UTC",
            "PGUSER": str(address["user"]), "PGPASSWORD": str(address["password"]), "PGDATABASE": str(address["dbname"]),
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), seconds + 60)
    except TimeoutError:
        process.kill()
        raise
    report = output.decode()
    if process.returncode or not re.search(r"number of failed transactions: 0 ", report):
        raise RuntimeError(f"pgbench failed: {errors.decode()[-3000:]}{report}")
    processed = re.search(r"transactions actually processed: (\d+)", report)
    rate = re.search(r"^tps = ([\d.]+)", report, re.MULTILINE)
    if processed is None or rate is None:
        raise RuntimeError(f"pgbench reports in a way that is not known here:\n{report}")
    return Run(int(processed[1]), float(rate[1]))
