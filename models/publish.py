"""What every model's ``train_and_gate`` ends with: store the version with its verdict, and put it in force if it passed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

from lakefront.artefacts import Manifest, ModelStore
from models.gate import Verdict

Model = TypeVar("Model")


@dataclass(frozen=True)
class Published(Generic[Model]):
    """A trained version: the model itself, its manifest, the gate's verdict, and whether it is now in force."""

    model: Model
    manifest: Manifest
    verdict: Verdict
    promoted: bool

    @property
    def version(self) -> str:
        return self.manifest.version


def publish(
    store: ModelStore,
    name: str,
    model: Model,
    write: Callable[[Path], None],
    *,
    as_of: datetime,
    metrics: dict[str, float],
    verdict: Verdict,
    data: dict[str, Any],
) -> Published[Model]:
    """Save a version with its metrics and verdict; promote it when the gate let it pass."""
    manifest = store.save(
        name, write, as_of=as_of, metrics=metrics, data=data, code_version=code_version(), gate=verdict.as_dict()
    )
    if verdict.passed:
        store.promote(name, manifest.version)
    return Published(model, manifest, verdict, verdict.passed)


@lru_cache(maxsize=1)
def code_version() -> str:
    """Release and a hash of the code that makes models (this package and the feature definitions)."""
    here = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted([*here.rglob("*.py"), *here.parent.glob("features/*.py")]):
        digest.update(path.read_bytes())
    try:
        release = version("lakefront")
    except PackageNotFoundError:
        release = "unreleased"
    return f"{release}+{digest.hexdigest()[:12]}"
