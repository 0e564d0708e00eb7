"""`lakefront bench`: list the benchmarks, run one, print its table and write its JSON."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.results import Result

BENCHMARKS = {
    "product": "product pages a second beside a bare FastAPI answer on the same server",
    "list": "product lists a second beside a bare FastAPI answer of the same parameters",
    "search": "searches a second and their latency, with facets, beside the bare engine",
    "checkout": "orders a second and CPU-ms per order beside pgbench with the same statements",
    "contention": "orders a second of one product that everybody wants, beside the bare guarded UPDATE",
    "bronze": "events a second from the bus into bronze beside write_deltalake of the same tables",
}


def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; see --list.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the benchmarks.")] = False,
    products: Annotated[
        int | None,
        typer.Option(
            help="How many products there are, for `product`, `list` and `search`; each says its default.", min=1000
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, too.")] = None,
) -> None:
    """Measure a part of Lakefront beside the bare engine under it, on servers of its own in a temporary folder."""
    console = Console()
    if list_them or name is None:
        for known, what in BENCHMARKS.items():
            console.print(f"[bold]{known:10}[/bold] {what}")
        return
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"there is no benchmark {name!r}; known: {', '.join(BENCHMARKS)}")
    if products is not None and name not in ("product", "list", "search"):
        raise typer.BadParameter(f"the benchmark {name!r} takes no number of products")
    options = {} if products is None else {"products": products}
    result: Result = asyncio.run(importlib.import_module(f"bench.{name}").measure(console, **options))
    console.print(result.as_table())
    if json_file is not None:
        json_file.write_text(json.dumps(result.as_json(), indent=1) + "\n")
