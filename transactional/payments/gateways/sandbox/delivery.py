"""The sandbox gateway's own sender of webhooks: signs what is due and posts it to the shop until it is taken."""

from __future__ import annotations

import aiohttp
import structlog

from lakefront.secrets import secrets
from lakefront.webhook_signature import sign
from transactional.payments.gateways.sandbox import store
from transactional.platform.database import Database
from transactional.platform.query import rows

TOO_MANY = 429
log = structlog.get_logger(__name__)


async def deliver_webhooks(books: Database, http: aiohttp.ClientSession, url: str) -> int:
    """Send what is due; what the shop did not take stays for a later time. Returns how many were sent."""
    async with books.connection() as connection:
        due = await rows(connection, store.DUE_WEBHOOKS)
    delivered = []
    for webhook in due:
        body = webhook["body"].encode()
        signature = sign(body, secrets().webhook_key)
        headers = {"Content-Type": "application/json", "X-Sandbox-Signature": signature}
        try:
            async with http.post(url, data=body, headers=headers) as answer:
                if answer.status < 500 and answer.status != TOO_MANY:  # a refusal is an answer too
                    delivered.append(webhook["id"])
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("webhook_not_delivered", url=url, error=str(error))
    if delivered:
        async with books.connection() as connection:
            await connection.execute(store.DELIVERED, {"ids": delivered})
    return len(due)
