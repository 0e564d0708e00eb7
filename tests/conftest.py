"""Servers and folders that all tests share.

One PostgreSQL and two Redis run for the whole test session, started by the first test of any xdist worker that needs
them. Each worker has a clone of one migrated template database and Redis database numbers of its own; within a worker tests
isolate by fresh ids.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lakefront.runtime.ephemeral import Servers

KEPT_VARIABLES = {"LAKEFRONT_TEST_DATA", "LAKEFRONT_SPARK_JARS_FOLDER", "LAKEFRONT_JAVA_HOME", "LAKEFRONT_IVY_FOLDER"}
SESSION_VARIABLE = "LAKEFRONT_TEST_SESSION"
CHECKOUT = Path(__file__).resolve().parent.parent
TEMPLATE = "lakefront_template"


def _worker() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def _worker_number() -> int:
    """1, 2, 3 … for xdist workers, 0 without xdist: the Redis database number."""
    return 0 if _worker() == "main" else int(_worker().removeprefix("gw")) + 1


def _session_folder() -> Path:
    """One short folder of the whole test session; xdist workers inherit its name."""
    if SESSION_VARIABLE not in os.environ:
        os.environ[SESSION_VARIABLE] = tempfile.mkdtemp(prefix="lakefront-tests-")
        os.environ[SESSION_VARIABLE + "_OWNER"] = str(os.getpid())
    return Path(os.environ[SESSION_VARIABLE])


def pytest_configure(config: pytest.Config) -> None:
    """Keep the settings of the machine out of the tests, before any module reads them."""
    for name in list(os.environ):
        if name.startswith("LAKEFRONT_") and name not in KEPT_VARIABLES and not name.startswith(SESSION_VARIABLE):
            del os.environ[name]
    home = _session_folder() / f"home-{_worker()}"
    home.mkdir(exist_ok=True)
    os.environ["LAKEFRONT_HOME"] = str(home)
    # Spark's jars are fetched once for the checkout, not once a session.
    os.environ.setdefault("LAKEFRONT_IVY_FOLDER", str(CHECKOUT / "var" / "ivy"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that opened the session ends the servers and removes the folder, when all workers are done."""
    if os.environ.get(SESSION_VARIABLE + "_OWNER") != str(os.getpid()):
        return
    from lakefront.runtime import ephemeral

    folder = _session_folder()
    servers = ephemeral.find(folder / "servers")
    if servers is not None:
        servers.stop()
    shutil.rmtree(folder, ignore_errors=True)
    del os.environ[SESSION_VARIABLE], os.environ[SESSION_VARIABLE + "_OWNER"]


@contextmanager
def _only_one_worker(name: str) -> Iterator[Path]:
    folder = _session_folder()
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The session's PostgreSQL and Redis (``lakefront.runtime.ephemeral.Servers``)."""
    from lakefront.runtime import ephemeral

    with _only_one_worker("servers") as folder:
        owner = int(os.environ[SESSION_VARIABLE + "_OWNER"])
        return ephemeral.find(folder / "servers") or ephemeral.start(folder / "servers", owner)


@pytest.fixture(scope="session")
def migrated_template(servers: Servers) -> str:
    """Name of the template database that has all migrations; made once a session."""
    from lakefront.runtime import postgres
    from transactional.platform.migrate import upgrade

    with _only_one_worker("template") as folder:
        done = folder / "template.done"
        if not done.exists():
            postgres.ensure_database(servers.database_url(TEMPLATE))
            upgrade(servers.database_url(TEMPLATE))
            done.touch()
    return TEMPLATE


@pytest.fixture(scope="session")
def new_database(servers: Servers) -> Iterator[Callable[..., str]]:
    """``new_database(template=None) -> url``: databases of their own, dropped at the end of the session."""
    import psycopg
    from psycopg import sql

    made: list[str] = []

    def run(statement: sql.Composed) -> None:
        with psycopg.connect(servers.database_url(), autocommit=True) as connection:
            connection.execute(statement)

    def make(template: str | None = None) -> str:
        name = f"test_{_worker()}_{uuid.uuid4().hex[:10]}"
        # One clone at a time: PostgreSQL refuses a template that another clone has open.
        with _only_one_worker("clone"):
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            run(create.format(sql.Identifier(name), sql.Identifier(template or "template0")))
        made.append(name)
        return str(servers.database_url(name))

    yield make
    for name in made:
        run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def database_url(new_database: Callable[..., str], migrated_template: str) -> Iterator[str]:
    """A migrated database of this worker's own; ``settings().database_url`` names it too."""
    with _settings(LAKEFRONT_DATABASE_URL=new_database(migrated_template)) as values:
        yield values["LAKEFRONT_DATABASE_URL"]


@pytest.fixture(scope="session")
def bus_url(servers: Servers) -> Iterator[str]:
    """The Redis of the bus, with a database number of this worker's own; ``settings().bus_url`` names it too."""
    with _settings(LAKEFRONT_BUS_URL=servers.bus_url(_worker_number())) as values:
        yield values["LAKEFRONT_BUS_URL"]


@pytest.fixture(scope="session")
def store_url(servers: Servers) -> Iterator[str]:
    """The Redis of caches and features, with a database number of this worker's own; in ``settings()`` too."""
    with _settings(LAKEFRONT_STORE_URL=servers.store_url(_worker_number())) as values:
        yield values["LAKEFRONT_STORE_URL"]


@pytest.fixture
def lake_uri(tmp_path: Path) -> Iterator[str]:
    """An empty lake of this test's own; ``settings().lake_uri`` names it too."""
    with _settings(LAKEFRONT_LAKE_URL=str(tmp_path / "lake")) as values:
        yield values["LAKEFRONT_LAKE_URL"]


@pytest.fixture
def lakefront_home(tmp_path: Path) -> Iterator[Path]:
    """A data folder of this test's own instead of the worker's; ``settings().home`` names it too."""
    from lakefront.secrets import secrets

    with _settings(LAKEFRONT_HOME=str(tmp_path / "home")) as values:
        secrets.cache_clear()
        yield Path(values["LAKEFRONT_HOME"])
    secrets.cache_clear()


@contextmanager
def _settings(**variables: str) -> Iterator[dict[str, str]]:
    """Set environment variables for a while and let settings() be read anew, before and after."""
    from lakefront.settings import settings

    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    settings.cache_clear()
    try:
        yield variables
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        settings.cache_clear()


@pytest.fixture(scope="session")
def settings_with() -> Callable[..., object]:
    """``with settings_with(LAKEFRONT_API_WORKERS="1"): …``: settings that hold within the block."""
    return _settings


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of the test's own, to pause and to kill: its address and its process."""
    from lakefront.runtime import ports, redis_server

    port = ports.any_free()
    process = subprocess.Popen(redis_server.command("store", tmp_path, port), stdout=subprocess.DEVNULL)
    redis_server.wait_until_ready(redis_server.url(port), alive=process)
    yield redis_server.url(port), process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait(timeout=10)


@pytest.fixture(scope="module")
def whole_machine() -> Iterator[None]:
    """Held by tests that run all processes of the Procfile: two machines at once would starve each other."""
    with _only_one_worker("machine"):
        yield
