"""Payment gateways: the interface, the protection around every call, and the sandbox."""
