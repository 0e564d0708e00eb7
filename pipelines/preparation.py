"""What Dagster needs before its processes start: its storage in the newest schema, and the dbt project parsed."""

from __future__ import annotations


def apply() -> None:
    """Make or upgrade the storage of this data folder's instance, and parse the dbt project if it changed.

    Webserver, daemon and code server would each make a missing storage themselves; when two do so at once, both fail with
    "alembic_version has more than one head".
    """
    from pipelines.dbt_project import manifest
    from pipelines.run import instance

    with instance() as dagster_instance:
        dagster_instance.upgrade()
    manifest()
