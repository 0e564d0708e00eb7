"""What wishlists tell the world: nothing of their own. The shop's pages report what is wished for as clickstream."""
