"""Keys wrapped by AWS KMS: what stands in the file is of use only to who may ask the service to decrypt.

The encryption context names Lakefront and the key's version and is authenticated by KMS, so that no wrapped key is taken for
another one. Decryption names the KMS key of the setting: what somebody else's KMS key wrapped is refused.
boto3 finds region, endpoint and credentials as it always does; it is imported where the setting is there.
"""

from __future__ import annotations

import base64
import os
from functools import cached_property
from typing import Any

from transactional.platform.key_stores import SETTING, KeyStoreError, KeysUnavailable

_CONNECT_SECONDS = 2
_READ_SECONDS = 3
_TRIES = 2
_PASSING = {"ThrottlingException", "RequestLimitExceeded", "RequestTimeout", "RequestTimeoutException"}


class KmsWrapping:
    """Wraps and unwraps by one KMS key, named by its id, its ARN or an alias."""

    is_sealed = True

    def __init__(self, key_id: str) -> None:
        try:
            import boto3  # noqa: F401
        except ImportError as error:
            raise KeyStoreError(f"{SETTING} is set: install boto3") from error
        self._key_id = key_id

    def seal(self, version: int, key: bytes) -> dict[str, str]:
        """The wrapped key, which was unwrapped again: one that nobody can unwrap must not become the only one."""
        answer = self._ask("encrypt", version, Plaintext=key)
        entry = {"wrapped": base64.b64encode(answer["CiphertextBlob"]).decode(), "by": str(answer["KeyId"])}
        if self.open(version, entry) != key:
            raise KeyStoreError(f"{SETTING}={self._key_id}: KMS gave another key back than it was given")
        return entry

    def open(self, version: int, entry: Any) -> bytes:
        """The key. Raises KeyStoreError where it was altered, or wrapped for another version or by another KMS key."""
        try:
            wrapped = base64.b64decode(entry["wrapped"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise KeyStoreError(f"key {version} is no wrapped key: {error!r}") from error
        key: bytes = self._ask("decrypt", version, CiphertextBlob=wrapped)["Plaintext"]
        return key

    def _ask(self, operation: str, version: int, **parameters: Any) -> dict[str, Any]:
        from botocore import exceptions as aws

        context = {"application": "lakefront", "use": "field-keys", "version": str(version)}
        failed = f"{SETTING}={self._key_id}: KMS does not {operation} key {version}"
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(
                KeyId=self._key_id, EncryptionContext=context, **parameters
            )
        except aws.ClientError as error:
            said, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            reason = f"{failed}: {said.get('Code')} {said.get('Message', '')}".rstrip()
            passes = status >= 500 or said.get("Code") in _PASSING
            raise (KeysUnavailable if passes else KeyStoreError)(reason) from error
        except (aws.ConnectionError, aws.HTTPClientError, aws.CredentialRetrievalError) as error:
            raise KeysUnavailable(f"{failed}: {error}") from error
        except aws.BotoCoreError as error:
            raise KeyStoreError(f"{failed}: {error}") from error
        return answer

    @cached_property
    def _client(self) -> Any:
        """Its time-outs are short: whoever waits has other ways to come to its keys, or says that it has none."""
        import boto3
        from botocore import exceptions as aws
        from botocore.config import Config

        times = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
        )
        try:
            return boto3.client("kms", region_name=os.environ.get("AWS_REGION") or None, config=times)
        except aws.NoRegionError as error:
            raise KeyStoreError(f"{SETTING} is set: name the region of the KMS in AWS_REGION") from error
        except ValueError as error:  # an endpoint that is no address
            raise KeyStoreError(f"{SETTING} is set, but {error}") from error
