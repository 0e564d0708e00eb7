"""Categories and products: what the shop shows."""
