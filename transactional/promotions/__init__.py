"""Promotions: coupons, and the discounts that they give."""
