"""Countries of addresses: the simulator's ranges, a file of the operator's, and what nothing is known of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakefront.settings import settings
from transactional.platform import network


@pytest.fixture
def forget() -> Iterator[None]:
    """Each test reads its own file."""
    yield
    settings.cache_clear()
    network.country_of.cache_clear()
    network._ranges.cache_clear()


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("10.0.4.5", "US"),
        ("10.1.0.1", "GB"),
        ("10.17.0.1", "GB"),
        ("::ffff:10.2.0.1", "DE"),
        ("127.0.0.1", None),
        ("203.0.113.9", None),
        ("fe80::1", None),
        ("not an address", None),
        ("", None),
    ],
)
def test_country_of_an_address(address: str, country: str | None, forget: None) -> None:
    assert network.country_of(address) == country


def test_a_file_of_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: None) -> None:
    file = tmp_path / "ranges.csv"
    file.write_text("network,country\n203.0.113.0/24,se\n198.51.100.0/25,NO\n2001:db8::/32,FI\n")
    monkeypatch.setenv("LAKEFRONT_NETWORK_RANGES", str(file))
    settings.cache_clear()
    network.country_of.cache_clear()
    network._ranges.cache_clear()
    assert network.country_of("203.0.113.255") == "SE"
    assert network.country_of("198.51.100.127") == "NO"
    assert network.country_of("198.51.100.128") is None
    assert network.country_of("2001:db8::7") == "FI"
    assert network.country_of("10.1.0.1") == "GB"
