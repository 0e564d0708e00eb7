"""AWS for tests: a real moto server as a process of its own, of which KMS and S3 are used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx

from lakefront.runtime import orphans
from lakefront.runtime.ports import any_free

REGION = "eu-north-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass
class Aws:
    """The server, and the eyes and hands of a test in it."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process of ours needs to find it, by AWS's own variables."""
        return {**CREDENTIALS, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_KMS": self.url}

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def bucket(self, name: str) -> str:
        """A bucket as ``LAKEFRONT_IMAGES_URL`` names it."""
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return f"s3://{name}/images?endpoint_override=127.0.0.1:{self.port}&scheme=http&region={REGION}"

    def kms_key(self, **settings: Any) -> str:
        """The ARN of a new key."""
        return str(self.client("kms").create_key(**settings)["KeyMetadata"]["Arn"])

    @contextmanager
    def away(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def authorizing(self) -> Iterator[None]:
        """It asks who calls, and knows nobody."""
        httpx.post(f"{self.url}/moto-api/reset-auth", content="0").raise_for_status()
        try:
            yield
        finally:
            httpx.post(f"{self.url}/moto-api/reset-auth", content="inf").raise_for_status()


@contextmanager
def aws_server() -> Iterator[Aws]:
    """A server on a port of its own."""
    port = any_free()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | CREDENTIALS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: orphans.die_with_parent(signal.SIGKILL),
    )
    server = Aws(port, process)
    try:
        for _ in range(600):
            try:
                httpx.get(f"{server.url}/moto-api/data.json").raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, "moto did not start"
                time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait(10)
