"""Clickstream: what shoppers do, from their browsers to the bus."""
