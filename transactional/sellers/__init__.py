"""Sellers: who sells on the marketplace, the accounts of their people, and what they may do to which products."""
