"""Pricing: what price does to demand, and which prices to propose to the merchandisers."""
