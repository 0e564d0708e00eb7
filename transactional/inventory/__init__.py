"""Stock: what may still be promised, reservations on it, and the ledger of every movement."""
