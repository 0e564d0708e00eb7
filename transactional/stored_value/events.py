"""What stored value tells the world: nothing of its own. `commerce.order.placed.v1` carries how much of an order it pays;
cards, codes and balances stay in PostgreSQL."""
