"""Features: what decisions are made from, defined once for all who use them; and the Feast repository."""
