"""Is the worker alive, can it serve, and what has it counted."""
