"""What carts tell the world: nothing of their own. The shop's pages report what happens in a cart as clickstream
(`storefront.cart.added.v1`, `storefront.cart.removed.v1`), with the list it came from; an order repeats what was bought."""
