"""What promotions tell the world: nothing of their own. `commerce.order.placed.v1` carries the discount of an order and the
share of each of its lines; who used which code stays in PostgreSQL."""
