"""Letters and text messages to people: one interface, and the sandbox that keeps them in a table for a developer to read.

Sending is a call to the outside world: it stands after the commit of what the message tells, never inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.platform.core import Core
from transactional.platform.database import Database

_SEND = """
INSERT INTO sandbox_messages (id, user_id, channel, recipient, is_own_address, subject, body, sent_at)
SELECT %(id)s, u.id, %(channel)s, %(recipient)s, %(is_own_address)s, %(subject)s, %(body)s, %(now)s
  FROM users u WHERE u.id = %(user_id)s
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


def messenger_of(core: Core) -> Messenger:
    """The messenger in use."""
    return SandboxMessenger(core.db)
