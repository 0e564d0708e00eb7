"""The relay: numbers committed outbox rows, puts them on the bus in that order, deletes what bronze has committed."""
