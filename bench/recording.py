"""Statements that Lakefront sends to PostgreSQL, recorded from the server's own log while a request is answered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

# log_min_duration_statement stands on the server's command line, which outranks ALTER SYSTEM; log_statement does not.
SETTINGS = {"log_statement": "'all'", "log_line_prefix": "'backend %p '", "log_parameter_max_length": "-1"}
RELOAD_SECONDS = 0.5
_PREFIX = re.compile(r"^backend (?P<backend>\d+) (?P<level>[A-Z]+):  (?P<text>.*)$", re.DOTALL)
_STATEMENT = re.compile(r"^(?:execute [^:]*|statement): (?P<sql>.*)$", re.DOTALL)
_PARAMETER = re.compile(r"\$(\d+) = (?:NULL|'((?:[^']|'')*)')(?:, |$)", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One statement as a backend executed it. Parameters are text as PostgreSQL prints them; None is NULL."""

    backend: int
    sql: str
    parameters: tuple[str | None, ...] = ()

    @property
    def verb(self) -> str:
        return self.sql.split(None, 1)[0].rstrip(";").upper()


@contextmanager
def logging_statements(database_url: str) -> Iterator[None]:
    """Let the server log every statement with its parameters; as it was before, afterwards."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        try:
            for name, value in SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            _reload(connection)
            yield
        finally:
            for name in SETTINGS:
                connection.execute(f"ALTER SYSTEM RESET {name}".encode())
            _reload(connection)


def _reload(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Backends read the new settings before their next statement."""
    connection.execute("SELECT pg_reload_conf()")
    time.sleep(RELOAD_SECONDS)


def read_statements(log: Path, offset: int) -> list[Statement]:
    """What was logged behind an offset of the server's log, in the order in which it began."""
    found: list[Statement] = []
    for backend, level, text in _messages(log.read_bytes()[offset:].decode().splitlines()):
        if level == "LOG" and (statement := _STATEMENT.match(text)):
            found.append(Statement(backend, statement["sql"].strip()))
        elif level == "DETAIL" and text.lower().startswith("parameters:"):
            # The detail follows its statement at once, but another backend's message may stand in between.
            place = next(n for n in range(len(found) - 1, -1, -1) if found[n].backend == backend)
            found[place] = Statement(backend, found[place].sql, _parameters(text.split(":", 1)[1].strip()))
    return found


def _messages(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Backend, level and text of each message; continued lines begin with a tab."""
    waiting: list[str] = []
    for line in [*lines, "end"]:
        if line.startswith("\t"):
            waiting.append(line[1:])
            continue
        if waiting and (message := _PREFIX.match("\n".join(waiting))):
            yield int(message["backend"]), message["level"], message["text"]
        waiting = [line]


def _parameters(text: str) -> tuple[str | None, ...]:
    found = [
        None if match[2] is None else match[2].replace("''", "'")
        for number, match in enumerate(_PARAMETER.finditer(text), start=1)
        if int(match[1]) == number
    ]
    if not found:
        raise ValueError(f"the server's log shows parameters in a way that is not known here: {text[:200]}")
    return tuple(found)


def statements_about(statements: list[Statement], marks: Iterable[str]) -> list[Statement]:
    """The transactions that name one of the marks in a parameter, each whole with its BEGIN and COMMIT."""
    wanted = tuple(marks)
    return [
        statement
        for transaction in _transactions(statements)
        if any(mark in (value or "") for each in transaction for value in each.parameters for mark in wanted)
        for statement in transaction
    ]


def _transactions(statements: list[Statement]) -> list[list[Statement]]:
    """Statements that commit together, in the order of their commits; one outside of a transaction commits by itself."""
    running: dict[int, list[Statement]] = {}
    done: list[list[Statement]] = []
    for statement in statements:
        if statement.verb == "BEGIN":
            running[statement.backend] = [statement]
        elif statement.backend not in running:
            done.append([statement])
        else:
            running[statement.backend].append(statement)
            if statement.verb in ("COMMIT", "ROLLBACK"):
                done.append(running.pop(statement.backend))
    return done
