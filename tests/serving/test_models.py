"""Workers follow the champion: new versions, roll-backs, and versions that cannot be loaded."""

from __future__ import annotations

import shutil
import time

from lakefront.artefacts import ModelStore
from serving.models import Models


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def copy_version(source: ModelStore, target: ModelStore) -> str:
    """Store the champion of one store as a new version in another."""
    folder = source.path("recommendation", source.champion("recommendation"))

    def write(place):
        for path in folder.iterdir():
            if path.name != "manifest.json":
                shutil.copy(path, place)

    manifest = source.manifest("recommendation", folder.name)
    return target.save("recommendation", write, as_of=_moment(manifest.as_of), metrics={}).version


def _moment(text):
    from lakefront.contracts.envelope import moment

    return moment(text)


def test_a_promoted_version_comes_into_force_and_a_roll_back_too(model_store, tmp_path):
    store = ModelStore(tmp_path)
    models = Models(store, poll_seconds=0.05)
    models.start()
    try:
        assert models.recommendation.current is None
        first = copy_version(model_store, store)
        store.promote("recommendation", first)
        assert wait_for(lambda: models.recommendation.version == first)
        in_use = models.recommendation.current
        second = copy_version(model_store, store)
        store.promote("recommendation", second)
        assert wait_for(lambda: models.recommendation.version == second)
        assert in_use.version == first  # who took the old one keeps it whole
        assert store.roll_back("recommendation") == first
        assert wait_for(lambda: models.recommendation.version == first)
    finally:
        models.stop()


def test_a_broken_version_leaves_the_one_before_in_force(model_store, tmp_path):
    store = ModelStore(tmp_path)
    good = copy_version(model_store, store)
    store.promote("recommendation", good)
    models = Models(store)
    assert models.recommendation.follow(store)
    broken = store.save(
        "recommendation", lambda folder: (folder / "model.json").write_text("{"), as_of=_moment("2026-03-01T00:00:00Z"),
        metrics={},
    ).version  # fmt: skip
    store.promote("recommendation", broken)
    assert not models.recommendation.follow(store)
    assert models.recommendation.version == good
    store.roll_back("recommendation")
    assert models.recommendation.follow(store)
