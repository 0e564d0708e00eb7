"""Migrations: each revision is a Python file of a few lines and the SQL file of the same name that it runs."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def apply_sql(revision_file: str) -> None:
    """Run the SQL file beside a revision in the migration's transaction, exactly as it is written."""
    sql = Path(revision_file).with_suffix(".sql").read_text()
    cursor = op.get_bind().connection.cursor()  # the driver's own: SQLAlchemy would read ':' and '%' as parameters
    cursor.execute(sql)
    cursor.close()
