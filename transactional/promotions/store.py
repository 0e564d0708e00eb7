"""SQL of coupons. Their rows are the last ones that a transaction locks, after the stock."""

from __future__ import annotations

_TERMS = """c.id, c.code, c.kind, c.value, c.currency, c.minimum_amount, c.starts_at, c.ends_at, c.max_uses,
       c.max_uses_per_customer, c.uses"""

# A coupon as a customer finds it.
COUPON = f"""
SELECT {_TERMS}, coalesce(u.uses, 0) AS uses_of_customer
  FROM coupons c LEFT JOIN coupon_customers u ON u.coupon_id = c.id AND u.customer = %(customer)s
 WHERE c.code = %(code)s
"""

# One use more, guarded by the limits as they are when the row is locked. An order that was released is redeemed again.
REDEEM = """
WITH coupon AS (
    UPDATE coupons SET uses = uses + 1
     WHERE id = %(coupon_id)s AND starts_at <= %(now)s AND (ends_at IS NULL OR ends_at > %(now)s)
       AND (max_uses IS NULL OR uses < max_uses)
    RETURNING id, max_uses_per_customer
), customer AS (
    INSERT INTO coupon_customers (coupon_id, customer, uses) SELECT id, %(customer)s, 1 FROM coupon
    ON CONFLICT (coupon_id, customer) DO UPDATE SET uses = coupon_customers.uses + 1
     WHERE coupon_customers.uses < coalesce((SELECT max_uses_per_customer FROM coupon), 2147483647)
    RETURNING coupon_id
), redemption AS (
    INSERT INTO coupon_redemptions (order_id, coupon_id, customer, discount, redeemed_at)
    SELECT %(order_id)s, coupon_id, %(customer)s, %(discount)s, %(now)s FROM customer
    ON CONFLICT (order_id) DO UPDATE SET redeemed_at = excluded.redeemed_at, released_at = NULL
    RETURNING 1
)
SELECT count(*) AS redemptions FROM redemption
"""

REDEMPTION = "SELECT coupon_id, customer, discount FROM coupon_redemptions WHERE order_id = %(order_id)s"

# The use is given back, once.
RELEASE = """
WITH redemption AS (
    UPDATE coupon_redemptions SET released_at = %(now)s WHERE order_id = %(order_id)s AND released_at IS NULL
    RETURNING coupon_id, customer
), coupon AS (
    UPDATE coupons c SET uses = c.uses - 1 FROM redemption r WHERE c.id = r.coupon_id
    RETURNING c.id
)
UPDATE coupon_customers u SET uses = u.uses - 1
  FROM redemption r JOIN coupon ON coupon.id = r.coupon_id
 WHERE u.coupon_id = r.coupon_id AND u.customer = r.customer
"""

ADD = f"""
INSERT INTO coupons AS c (id, code, kind, value, currency, minimum_amount, starts_at, ends_at, max_uses,
                          max_uses_per_customer, created_by, created_at)
VALUES (%(id)s, %(code)s, %(kind)s, %(value)s, %(currency)s, %(minimum_amount)s, %(starts_at)s, %(ends_at)s,
        %(max_uses)s, %(max_uses_per_customer)s, %(actor)s, %(now)s)
ON CONFLICT (code) DO NOTHING
RETURNING {_TERMS}, c.created_at
"""

# Ended from now on; one that never began ends as it begins.
END = f"""
UPDATE coupons c SET ends_at = greatest(%(now)s, c.starts_at + interval '1 microsecond')
 WHERE c.id = %(coupon_id)s AND (c.ends_at IS NULL OR c.ends_at > %(now)s)
RETURNING {_TERMS}, c.created_at
"""

ONE = f"SELECT {_TERMS}, c.created_at FROM coupons c WHERE c.id = %(coupon_id)s"

COUPONS = f"""
SELECT {_TERMS}, c.created_at FROM coupons c
 WHERE %(before)s::timestamptz IS NULL OR (c.created_at, c.id) < (%(before)s::timestamptz, %(before_id)s::uuid)
 ORDER BY c.created_at DESC, c.id DESC LIMIT %(limit)s
"""
