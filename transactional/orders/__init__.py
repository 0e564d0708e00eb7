"""Orders: checkout, the state machine, the history, cancelling and tracking."""
