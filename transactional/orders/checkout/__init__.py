"""Checkout: an orchestrated saga from the quote to the confirmed order."""
