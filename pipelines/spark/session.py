"""The Spark session: one per process, started when the first job needs it (10 to 20 seconds)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lakefront.runtime.spark import fetch_jars, prepare_environment, spark_conf

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_lock = threading.Lock()
_sessions: list[SparkSession] = []  # none or one


def spark() -> SparkSession:
    """The session of this process."""
    with _lock:
        if not _sessions:
            fetch_jars()
            prepare_environment()
            from pyspark.sql import SparkSession

            builder = SparkSession.builder.appName("lakefront")
            for name, value in spark_conf().items():
                builder = builder.config(name, value)
            session = builder.getOrCreate()
            session.sparkContext.setLogLevel("ERROR")
            _sessions.append(session)
        return _sessions[0]


def is_running() -> bool:
    """True when this process has a session already."""
    return bool(_sessions)


def stop() -> None:
    """End the session and its Java process."""
    with _lock:
        while _sessions:
            _sessions.pop().stop()
