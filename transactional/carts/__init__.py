"""Carts of accounts and of guests' sessions."""
