"""SQL of the health checks."""

from __future__ import annotations

from transactional.platform.database import Connection


async def ping(connection: Connection) -> None:
    """The smallest statement."""
    await connection.execute("SELECT 1")
