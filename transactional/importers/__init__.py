"""Importers: order logs of other shops become catalogue, customers, prices and past orders."""
