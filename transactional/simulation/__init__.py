"""Simulation mode's own endpoints: the clock that jumps."""
