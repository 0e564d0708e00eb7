"""Payments: gateways behind one interface, durable operations, refunds and webhooks."""
