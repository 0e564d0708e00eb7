"""The sandbox gateway: another company as far as the core is concerned, with books of its own, that misbehaves on
demand."""
