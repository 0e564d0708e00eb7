"""Search: a read model of the catalogue that follows the events, and is asked without touching PostgreSQL."""
