"""Features: what decisions are made from, defined once for batch, stream, training and serving; and the Feast repository."""
