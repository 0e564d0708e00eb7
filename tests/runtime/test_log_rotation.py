"""Logs stay short without disturbing who writes them."""

from __future__ import annotations

from pathlib import Path

from lakefront.runtime.log_rotation import rotate


def test_a_long_log_is_copied_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    with path.open("a") as writer:
        for generation in ("first", "second", "third"):
            writer.write(f"{generation}\n" * 20)
            writer.flush()
            assert rotate(path, limit=50, kept=2)
        writer.write("after\n")
        writer.flush()
    assert path.read_text() == "after\n"
    assert path.with_name("api.log.1").read_text() == "third\n" * 20
    assert path.with_name("api.log.2").read_text() == "second\n" * 20
    assert not path.with_name("api.log.3").exists()


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("short\n")
    assert not rotate(path, limit=50)
    assert path.read_text() == "short\n"
