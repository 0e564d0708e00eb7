"""Tariffs: what is charged besides the products and in which money, from tables: shipping, tax, duties, exchange rates."""
