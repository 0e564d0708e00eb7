"""Letters and text messages to people: one interface, and the sandbox that keeps them in a table for a developer to read.

Sending is a call to the outside world: it stands after the commit of what the message tells, never inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.query import rows

_SEND = """
INSERT INTO sandbox_messages (id, user_id, channel, recipient, is_own_address, subject, body, sent_at)
SELECT %(id)s, u.id, %(channel)s, %(recipient)s, %(is_own_address)s, %(subject)s, %(body)s, %(now)s
  FROM users u WHERE u.id = %(user_id)s
"""
_LAST = """
SELECT recipient, subject, body, sent_at AT TIME ZONE 'UTC' AS sent_at FROM (
    SELECT id, recipient, subject, body, sent_at FROM sandbox_messages
     WHERE %(to)s::text IS NULL OR lower(recipient) = lower(%(to)s)
     ORDER BY sent_at DESC, id DESC LIMIT %(limit)s
) AS last
ORDER BY last.sent_at, id
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is sent."""

    user_id: UUID
    """Whose account it is about; what is kept of a message goes with the account."""
    channel: Literal["email", "sms"]
    recipient: str
    """An e-mail address, or a telephone number in E.164."""
    body: str
    subject: str = ""
    is_own_address: bool = True
    """False where the account has not shown yet that the address is its own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that the sandbox took for sending."""

    recipient: str
    subject: str
    body: str
    sent_at: datetime
    """In UTC."""


class Messenger(Protocol):
    """Who delivers messages."""

    async def send(self, message: Message) -> None:
        """Take over a message. Raises OSError where that fails; the person can ask for it again."""


class SandboxMessenger:
    """Delivers to a table; what is for an account that is there no longer is dropped."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def send(self, message: Message) -> None:
        parameters = {
            "id": new_id(),
            "user_id": message.user_id,
            "channel": message.channel,
            "recipient": message.recipient,
            "is_own_address": message.is_own_address,
            "subject": message.subject,
            "body": message.body,
            "now": real_now(),
        }
        async with self._db.connection() as connection:
            await connection.execute(_SEND, parameters)

    async def last(self, to: str | None, limit: int) -> list[Kept]:
        """The last messages, to everybody or one address in whatever case it is written; the newest at the end."""
        async with self._db.connection() as connection:
            return [Kept(**row) for row in await rows(connection, _LAST, {"to": to, "limit": limit})]


def messenger_of(core: Core) -> Messenger:
    """The messenger in use."""
    return messenger_on(core.db)


def messenger_on(db: Database) -> Messenger:
    """The messenger in use where there is a database alone."""
    return SandboxMessenger(db)
