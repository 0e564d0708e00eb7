"""Letters and text messages to people: one interface, and the sandbox that keeps them in a table for a developer to read.

Sending is a call to the outside world: it stands after the commit of what the message tells, never inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.platform.core import Core
from transactional.platform.database import Database

_SEND = """
INSERT INTO sandbox_messages (id, channel, recipient, subject, body, sent_at)
VALUES (%(id)s, %(channel)s, %(recipient)s, %(subject)s, %(body)s, %(now)s)
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is sent."""

    channel: Literal["email", "sms"]
    recipient: str
    """An e-mail address, or a telephone number in E.164."""
    body: str
    subject: str = ""


class Messenger(Protocol):
    """Who delivers messages."""

    async def send(self, message: Message) -> None:
        """Take over a message. Raises OSError where that fails; the person can ask for it again."""


class SandboxMessenger:
    """Delivers to a table."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def send(self, message: Message) -> None:
        parameters = {
            "id": new_id(),
            "channel": message.channel,
            "recipient": message.recipient,
            "subject": message.subject,
            "body": message.body,
            "now": real_now(),
        }
        async with self._db.connection() as connection:
            await connection.execute(_SEND, parameters)


def messenger_of(core: Core) -> Messenger:
    """The messenger in use."""
    return SandboxMessenger(core.db)
