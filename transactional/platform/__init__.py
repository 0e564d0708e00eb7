"""What every domain of the core shares: database, outbox, errors, authentication, limits, caches and telemetry."""
