"""A Feast repository of the test session's own: registry, online store and history."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def feast_home(tmp_path_factory, new_database, store_url, settings_with):
    """Settings under which Feast's registry is applied once for the session; yields the address of the online store."""
    from features import publish

    lake = str(tmp_path_factory.mktemp("feast") / "lake")
    with settings_with(LAKEFRONT_DATABASE_URL=new_database(), LAKEFRONT_LAKE_URL=lake):
        assert publish.apply()
        assert not publish.apply()
        yield store_url
        publish._store.cache_clear()
