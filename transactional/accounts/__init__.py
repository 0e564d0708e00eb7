"""Accounts: registration, login, tokens and profiles."""
