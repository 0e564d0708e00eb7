"""Run the merchandisers' pages: ``python -m serving.dashboards``."""

from __future__ import annotations

from granian import Granian
from granian.constants import Interfaces

from lakefront import telemetry
from lakefront.settings import settings


def main() -> None:
    telemetry.configure("dashboards")
    Granian(
        "serving.dashboards.app:create_app",
        factory=True,
        address=settings().host,
        port=settings().dashboards_port,
        interface=Interfaces.ASGI,
        workers=1,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
