"""What Spark is given: Java, jars, the authorities to trust."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakefront.runtime import spark
from lakefront.settings import Settings


def test_the_wheels_java_starts_although_it_lacks_a_module_that_spark_asks_for(
    lakefront_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")  # a machine without Java
    home = spark.java_home(Settings())
    assert home.is_relative_to(lakefront_home)
    java = home / "bin" / "java"
    done = subprocess.run(
        ["/bin/bash", java, "--add-modules=jdk.incubator.vector", "-version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_setting_chooses_java() -> None:
    assert spark.java_home(Settings(java_home="/opt/my-java")) == Path("/opt/my-java")


def test_a_folder_of_jars_takes_the_place_of_maven_central(tmp_path: Path) -> None:
    (tmp_path / "delta.jar").touch()
    (tmp_path / "notes.txt").touch()
    current = Settings(spark_jars_folder=str(tmp_path), home=tmp_path / "home")
    conf = spark.spark_conf(current)
    assert conf["spark.jars"] == str(tmp_path / "delta.jar")
    assert "spark.jars.packages" not in conf
    assert spark.has_jars(current)
    assert not spark.fetch_jars(current), "nothing to fetch"


def test_before_they_are_fetched_jars_come_from_one_resolver_without_what_spark_has(tmp_path: Path) -> None:
    current = Settings(home=tmp_path / "home", ivy_folder=str(tmp_path / "ivy"))
    conf = spark.spark_conf(current)
    assert conf["spark.jars.packages"] == spark.DELTA_PACKAGE
    assert "org.apache.hadoop:hadoop-client-runtime" in conf["spark.jars.excludes"]
    assert Path(conf["spark.jars.ivySettings"].removeprefix("file://")).read_text().count("<ibiblio") == 1
    assert not spark.has_jars(current)


def test_jars_that_were_fetched_are_used_as_they_are(tmp_path: Path) -> None:
    jar = tmp_path / "ivy" / "jars" / "io.delta_delta-spark_4.2_2.13-4.4.0.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    current = Settings(home=tmp_path / "home", ivy_folder=str(tmp_path / "ivy"))
    assert not spark.has_jars(current), "a jar alone may be half of a fetch"
    (tmp_path / "ivy" / "complete").write_text(spark.DELTA_PACKAGE)
    assert spark.has_jars(current)
    conf = spark.spark_conf(current)
    assert conf["spark.jars"] == str(jar)
    assert "spark.jars.packages" not in conf


def test_authorities_that_only_ssl_cert_file_names_are_trusted_by_java(
    lakefront_home: Path, tmp_path: Path, settings_with: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "authority.pem"
    bundle.write_bytes(_certificate())
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.delenv("SPARK_SUBMIT_OPTS", raising=False)
    for name in ("JAVA_HOME", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # so that they are put back
    monkeypatch.delenv("JAVA_HOME")
    home = lakefront_home / "a folder with blanks"
    spark.prepare_environment(Settings(home=home))
    assert os.environ["PYSPARK_PYTHON"] == sys.executable
    options = os.environ.pop("SPARK_SUBMIT_OPTS")
    name = "-Djavax.net.ssl.trustStore="
    store = next(Path(option.removeprefix(name)) for option in shlex.split(options) if option.startswith(name))
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
    listed = subprocess.run(
        [str(java), "-version"], env={**os.environ, "JAVA_TOOL_OPTIONS": options}, capture_output=True, check=False
    )
    assert listed.returncode == 0
    assert store.is_relative_to(home)
    assert store.stat().st_size > 0


def test_a_folder_with_blanks_reaches_java_whole(tmp_path: Path) -> None:
    home = tmp_path / "a folder with blanks"
    conf = spark.spark_conf(Settings(home=home, ivy_folder=str(home / "ivy")))
    assert f"-Dderby.system.home={home / 'spark'}" in shlex.split(conf["spark.driver.extraJavaOptions"])
    assert conf["spark.jars.ivySettings"] == (home / "ivy" / "settings.xml").as_uri()


def test_a_launcher_that_fails_by_itself_is_not_blamed_on_maven_central(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Exception in thread main: java.lang.ClassNotFoundException: home2.java.authorities.p12"

    def launcher(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(spark, "prepare_environment", lambda _: None)
    monkeypatch.setattr(subprocess, "run", launcher)
    with pytest.raises(spark.LauncherFailed, match="ClassNotFoundException"):
        spark.fetch_jars(Settings(home=tmp_path / "home", ivy_folder=str(tmp_path / "ivy")))
    said = ":: problems summary ::\n::::UNRESOLVED DEPENDENCIES::::\nunresolved dependency: io.delta#delta: not found"
    with pytest.raises(spark.JarsMissing, match="LAKEFRONT_SPARK_JARS_FOLDER"):
        spark.fetch_jars(Settings(home=tmp_path / "home", ivy_folder=str(tmp_path / "ivy")))


def _certificate() -> bytes:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority of ours")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
