"""Calls to the core over HTTP, as one of our own jobs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from lakefront.secrets import secrets
from lakefront.settings import settings

TIMEOUT_SECONDS = 30
ATTEMPTS = 3


class CoreUnreachable(RuntimeError):
    """The core did not answer, or could not; trying again later may help."""


class CoreRefused(RuntimeError):
    """The core answered with a problem document; the same request will be refused again."""


def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST to /api/v1 with the internal key. Raises CoreUnreachable after a few tries, CoreRefused at once."""
    request = urllib.request.Request(  # noqa: S310 - the address is ours, from the settings
        f"{settings().api_url}/api/v1{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "X-Internal-Key": secrets().internal_key},
        method="POST",
    )
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                result: dict[str, Any] = json.loads(answer.read())
                return result
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")[:500]
            if error.code < 500 and error.code != 429:
                raise CoreRefused(f"{path}: {error.code} {text}") from error
            reason = f"{error.code} {text}"
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error))
        if attempt + 1 < ATTEMPTS:
            time.sleep(2**attempt)
    raise CoreUnreachable(f"the core at {settings().api_url} did not take {path}: {reason}")
