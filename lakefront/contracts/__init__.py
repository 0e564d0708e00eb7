"""What Lakefront tells itself: the event envelope and the schema of every event's data.

A schema changes only by adding optional fields; anything else is a new version of the event type. Personal data is not in
events: they carry a pseudonym, keyed hashes and derived facts.
"""

from lakefront.contracts.envelope import Envelope, EventData, partition_of
from lakefront.contracts.registry import EVENT_TYPES, STOREFRONT_TYPES, data_model

__all__ = ["EVENT_TYPES", "STOREFRONT_TYPES", "Envelope", "EventData", "data_model", "partition_of"]
