"""``lakefront evaluate search``: how good the ranking is, by a click log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lakefront.settings import settings
from transactional.search.analysis import Synonyms
from transactional.search.evaluation.data import BadFile, read_clicks, read_products
from transactional.search.evaluation.evaluate import Evaluation, evaluate

app = typer.Typer(no_args_is_help=True, help="How good decisions and rankings are, on data of yours.")
console = Console()


@app.callback()
def choose() -> None:
    """How good decisions and rankings are, on data of yours."""


@app.command("search")
def search(
    products: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Products: Parquet or CSV.")],
    clicks: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Results shown and clicked.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, too.")] = None,
) -> None:
    """nDCG@10 and MRR of the shop's search beside a plain BM25 on the name.

    Judgments come from the clicks by the SDBN click model (Chapelle and Zhang 2009). Ends with status 1 where a file lacks
    what is needed.
    """
    chosen = settings().search_synonyms
    try:
        synonyms = Synonyms.load(Path(chosen) if chosen else None)
        found = evaluate(read_products(products), read_clicks(clicks), synonyms)
    except BadFile as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(_table(found))
    if json_file is not None:
        json_file.write_text(json.dumps(found.as_json(), indent=1) + "\n")


def _table(found: Evaluation) -> Table:
    table = Table("query", title="nDCG@10 / MRR", title_justify="left")
    names = list(found.per_query)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for query in found.judged:
        scores = [found.per_query[name][query] for name in names]
        table.add_row(query, *(f"{score.ndcg_at_10:.3f} / {score.mrr:.3f}" for score in scores))
    means = [found.mean[name] for name in names]
    table.add_row("[bold]mean[/bold]", *(f"{score.ndcg_at_10:.3f} / {score.mrr:.3f}" for score in means))
    return table
