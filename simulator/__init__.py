"""Shoppers, fraudsters, competitors and suppliers who use the shop through its public HTTP API, and the truth about
them.

Their tastes, price sensitivities and intentions are hidden from the shop: whatever recommends, suspects or prices
well has found them in the events. Imports the kernel only, so that the models cannot learn from the code that judges
them.
"""
