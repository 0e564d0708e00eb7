"""Recommendations: the products that serving/ chooses, shown as cards, and the decision told to the world."""
