"""pgbench with recorded statements: what PostgreSQL alone reaches for the same work, the same commits and round trips.

Two recordings of the same request tell what is new each time: an identifier that differs is drawn afresh for each
transaction. Everything else is sent as it was recorded, as a parameter and not in the statement's text, so that PostgreSQL
reads, checks and plans what it read, checked and planned for Lakefront.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.recording import Statement
from lakefront.runtime import postgres

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFERENCE = re.compile(r"(?P<kind>[a-z]+_)[0-9a-f]{32}")
_PLAIN_ARRAY = re.compile(r"\{([^{}\"\\]+)\}")
_PLACEHOLDER = re.compile(r"\$(\d+)")
_LOOKS_LIKE_VARIABLE = re.compile(r"(?<!:):(?=\w)")


@dataclass
class Script:
    """A transaction for pgbench. ``constants`` are parameters that are the same each time."""

    drawn: dict[str, str]
    """Recorded value → variable that ``draw`` sets."""
    fresh: dict[str, str] = field(default_factory=dict)
    """Variable → SQL expression of a new value."""
    constants: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)

    def text(self, settings: str, draw: str) -> str:
        """The script: pgbench's own settings, one SELECT that draws (its columns end with the fresh values), the rest."""
        values = ", ".join(f"{expression} AS {name}" for name, expression in self.fresh.items())
        return "\n".join([settings, draw.format(fresh=values) + " \\gset", *(f"{each};" for each in self.statements)])


def script_of(recorded: list[Statement], again: list[Statement], drawn: dict[str, str]) -> Script:
    """Turn two recordings of the same request into a script. Raises ValueError when they are not the same."""
    if not recorded or [each.sql for each in recorded] != [each.sql for each in again]:
        raise ValueError(f"the recordings differ: {_verbs(recorded)} and {_verbs(again)}")
    script = Script(dict(drawn))
    for one, other in zip(recorded, again, strict=True):
        for value, second in zip(one.parameters, other.parameters, strict=True):
            _find_fresh(script, value, second)
    script.statements = [_statement(script, place, each) for place, each in enumerate(recorded)]
    return script


def _verbs(statements: list[Statement]) -> str:
    return ", ".join(" ".join(each.sql.split()[:4]) for each in statements) or "nothing"


def _elements(value: str) -> list[str]:
    array = _PLAIN_ARRAY.fullmatch(value)
    return array[1].split(",") if array else [value]


def _find_fresh(script: Script, value: str | None, second: str | None) -> None:
    if value is None or second is None:
        return
    for element, other in zip(_elements(value), _elements(second), strict=False):
        if element == other or element in script.drawn:
            continue
        name = f"fresh{len(script.fresh)}"
        if _UUID.fullmatch(element):
            script.fresh[name] = "uuidv7()"
        elif reference := _REFERENCE.fullmatch(element):
            script.fresh[name] = f"'{reference['kind']}' || replace(uuidv7()::text, '-', '')"
        else:
            continue  # times and documents: not unique, sent as recorded
        script.drawn[element] = name


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
    if value in script.drawn:
        return f":{script.drawn[value]}"
    elements = _elements(value)
    if _PLAIN_ARRAY.fullmatch(value) and any(element in script.drawn for element in elements):
        parts = [_parameter(script, f"{name}_{place}", element) for place, element in enumerate(elements)]
        kind = "uuid" if _UUID.fullmatch(elements[0]) else "text"
        return f"ARRAY[{', '.join(parts)}]::{kind}[]"
    if not value:
        return "''"  # pgbench takes no empty definition
    script.constants[name] = value
    return f":{name}"


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
