"""Stripe, by its official SDK. Imported only where a key is set: the SDK takes half a second to load."""
