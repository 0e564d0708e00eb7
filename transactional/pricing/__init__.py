"""Prices: the policy, proposals that people approve, bulk changes, quotes and the audit of every change."""
