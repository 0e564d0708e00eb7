"""Model artefacts: versioned folders with metrics, and a pointer to the champion of each model.

Layout below the models folder::

    recommendation/
      versions/20260101T120000-3f2a/   the model's files and manifest.json
      champion.json                    {"version": …, "previous": […], "promoted_at": …}

A version is written into a draft folder and renamed, so that a reader never sees half of one. API workers poll
``champion`` and load the new version in a thread.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lakefront.clock import iso, real_now
from lakefront.ids import new_id
from lakefront.settings import settings


class UnknownVersion(LookupError):
    """There is no such version of that model."""


@dataclass(frozen=True)
class Manifest:
    """What is known of a version: how good it is, what it was made from."""

    model: str
    version: str
    created_at: str
    as_of: str
    """Business time up to which the training data reached."""
    metrics: dict[str, float]
    data: dict[str, Any] = field(default_factory=dict)
    """Snapshot of the data: table name to Delta version, row counts, split times."""
    code_version: str = ""
    gate: dict[str, Any] = field(default_factory=dict)
    """Verdict of the gate: passed, and the reasons."""


class ModelStore:
    """The versions of all models below one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings().models_folder

    def save(
        self,
        model: str,
        write: Callable[[Path], None],
        *,
        as_of: datetime,
        metrics: dict[str, float],
        data: dict[str, Any] | None = None,
        code_version: str = "",
        gate: dict[str, Any] | None = None,
    ) -> Manifest:
        """Store a new version: ``write`` puts the model's files into the folder that it is given."""
        now = real_now()
        version = f"{now:%Y%m%dT%H%M%S%f}"[:-3] + f"-{new_id().hex[-4:]}"
        manifest = Manifest(model, version, iso(now), iso(as_of), metrics, data or {}, code_version, gate or {})
        versions = self.folder / model / "versions"
        draft = versions / f".draft-{version}"
        draft.mkdir(parents=True)
        try:
            write(draft)
            (draft / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1))
            draft.rename(versions / version)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return manifest

    def versions(self, model: str) -> list[str]:
        """All versions, oldest first."""
        folder = self.folder / model / "versions"
        return sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []

    def path(self, model: str, version: str) -> Path:
        """Folder of a version. Raises UnknownVersion."""
        path = self.folder / model / "versions" / version
        if not path.is_dir():
            known = ", ".join(self.versions(model)) or "none"
            raise UnknownVersion(f"{model} has no version {version}; known: {known}")
        return path

    def manifest(self, model: str, version: str) -> Manifest:
        """What is known of a version. Raises UnknownVersion."""
        return Manifest(**json.loads((self.path(model, version) / "manifest.json").read_text()))

    def champion(self, model: str) -> str | None:
        """The version in force, None before the first."""
        return self._pointer(model).get("version")

    def promote(self, model: str, version: str) -> None:
        """Put a version in force; the one before it is remembered for roll-back."""
        self.path(model, version)
        pointer = self._pointer(model)
        previous = pointer.get("previous", [])
        if pointer.get("version") not in (None, version):
            previous = [*previous, pointer["version"]]
        self._point(model, version, previous)

    def roll_back(self, model: str) -> str:
        """Put the version before the champion in force again and return it. Raises UnknownVersion when there is none."""
        previous = self._pointer(model).get("previous", [])
        if not previous:
            raise UnknownVersion(f"{model} has no earlier champion to go back to")
        self._point(model, previous[-1], previous[:-1])
        return str(previous[-1])

    def _pointer(self, model: str) -> dict[str, Any]:
        try:
            pointer: dict[str, Any] = json.loads((self.folder / model / "champion.json").read_text())
        except FileNotFoundError:
            return {}
        return pointer

    def _point(self, model: str, version: str, previous: list[str]) -> None:
        path = self.folder / model / "champion.json"
        draft = path.with_suffix(f".{new_id().hex[-6:]}")
        draft.write_text(
            json.dumps({"version": version, "previous": previous, "promoted_at": iso(real_now())}, indent=1)
        )
        draft.replace(path)
