"""Online decisions: features read from Feast's online store, models scored, fallbacks; and the merchandisers' pages."""
