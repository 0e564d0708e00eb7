"""``lakefront models``: look at the versions of the models and decide which is in force."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lakefront.artefacts import Manifest, ModelStore, UnknownVersion

app = typer.Typer(help="Models: their versions, metrics and which version is in force.", no_args_is_help=True)

MODELS = ("recommendation", "fraud", "pricing")
HEADLINES = {
    "recommendation": ("recall_at_20", "popularity_recall_at_20"),
    "fraud": ("auc", "average_precision"),
    "pricing": ("elasticity", "deviance", "no_price_deviance"),
}
Model = Annotated[str, typer.Argument(help="recommendation, fraud or pricing")]
Version = Annotated[str, typer.Argument(help="A version as `lakefront models list` shows it.")]


@app.command("list")
def list_versions(model: Annotated[str | None, typer.Argument(help="One model; all by default.")] = None) -> None:
    """Versions of the models, newest first, with their main figures; the one in force is marked."""
    store, console = ModelStore(), Console()
    tables = [_versions(store, name) for name in ([_known(model)] if model else MODELS)]
    filled = [table for table in tables if table.row_count]
    for table in filled:
        console.print(table)
    if not filled:
        console.print("There are no models yet: `lakefront pipeline run` trains them.")


def _versions(store: ModelStore, name: str) -> Table:
    """The versions of one model. Also on 80 columns a version is whole: `promote` wants all of it."""
    table = Table(title=name, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("version", "as of"):
        table.add_column(title, no_wrap=True)
    for title in ("figures", "gate", "in force"):
        table.add_column(title)
    champion = store.champion(name)
    manifests = [store.manifest(name, version) for version in store.versions(name)]
    for manifest in sorted(manifests, key=lambda found: found.created_at, reverse=True):
        table.add_row(
            manifest.version, manifest.as_of[:10], _figures(manifest),
            "passed" if manifest.gate.get("passed") else "refused", "yes" if manifest.version == champion else "",
        )  # fmt: skip
    return table


@app.command()
def show(
    model: Model, version: Annotated[str | None, typer.Argument(help="By default the one in force.")] = None
) -> None:
    """Everything that is known of a version: metrics, data, settings, and what the gate said."""
    store = ModelStore()
    name = _known(model)
    chosen = version or store.champion(name)
    if chosen is None:
        raise typer.BadParameter(f"no version of {name} is in force; name one of `lakefront models list {name}`")
    try:
        manifest = store.manifest(name, chosen)
    except UnknownVersion as error:
        raise typer.BadParameter(str(error)) from error
    console = Console()
    console.print(f"[bold]{name} {chosen}[/bold], as of {manifest.as_of}, code {manifest.code_version}")
    for title, values in (("metrics", manifest.metrics), ("data", manifest.data)):
        table = Table(title, "", title_justify="left")
        for key, value in values.items():
            table.add_row(key, f"{value:.4f}" if isinstance(value, float) else str(value))
        console.print(table)
    for reason in manifest.gate.get("reasons", []):
        console.print(f"gate: {reason}")


@app.command()
def promote(model: Model, version: Version) -> None:
    """Put a version in force, whatever its gate said. The storefront's workers follow within seconds."""
    try:
        ModelStore().promote(_known(model), version)
    except UnknownVersion as error:
        raise typer.BadParameter(str(error)) from error
    Console().print(f"{model} {version} is in force")


@app.command("roll-back")
def roll_back(model: Model) -> None:
    """Put the version before the one in force back in force."""
    try:
        version = ModelStore().roll_back(_known(model))
    except UnknownVersion as error:
        raise typer.BadParameter(str(error)) from error
    Console().print(f"{model} {version} is in force again")


def _known(model: str) -> str:
    if model not in MODELS:
        raise typer.BadParameter(f"unknown model {model!r}; known: {', '.join(MODELS)}")
    return model


def _figures(manifest: Manifest) -> str:
    headlines = [name for name in HEADLINES[manifest.model] if name in manifest.metrics]
    return "\n".join(f"{name.replace('_', ' ')} {manifest.metrics[name]:.3f}" for name in headlines)
