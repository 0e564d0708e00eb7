"""What tariffs tell the world: nothing of their own. `commerce.order.placed.v1` carries what an order was charged."""
