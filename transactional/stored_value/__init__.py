"""Stored value: gift cards and store credit, which pay for orders as far as they go."""
