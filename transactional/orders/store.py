"""SQL of orders outside the checkout: reading them, moving them on, cancelling."""

from __future__ import annotations

ORDER = """
SELECT o.id, o.user_id, o.session, o.status, o.currency, o.total, o.placed_at, o.estimated_delivery, o.tracking_number,
       o.discount, o.shipping, o.tax, o.duties, o.tax_included, o.stored_value, o.shipping_method, o.shipping_address,
       o.billing_address,
       p.id AS payment_id, p.status AS payment_status,
       (SELECT jsonb_agg(jsonb_build_object('product_id', l.product_id, 'sku', l.sku, 'title', l.title,
                                            'quantity', l.quantity, 'unit_price', l.unit_price::text,
                                            'discount', l.discount::text, 'total', l.total::text,
                                            'reservation_id', l.reservation_id)
                         ORDER BY l.line_number)
          FROM order_lines l WHERE l.order_id = o.id) AS items
  FROM orders o
  LEFT JOIN LATERAL (SELECT id, status FROM payments WHERE order_id = o.id ORDER BY id DESC LIMIT 1) p ON true
 WHERE o.id = %(order_id)s
"""

HISTORY = "SELECT sequence, fact, data, occurred_at FROM order_history WHERE order_id = %(order_id)s ORDER BY sequence"

# The reservations first, then the order: the order of locks that the checkout keeps too.
LOCK_RESERVATIONS = """
SELECT id FROM reservations WHERE order_id = %(order_id)s AND level <> 'released' ORDER BY id FOR UPDATE
"""

LOCK = """
SELECT o.id, o.user_id, o.session, o.status, o.version, o.stored_value, s.pseudonym AS "user"
  FROM orders o LEFT JOIN pseudonyms s ON s.user_id = o.user_id
 WHERE o.id = %(order_id)s FOR UPDATE OF o
"""

# The only statement outside the checkout that changes an order's status: status, history and event, or nothing.
MOVE = """
WITH moved AS (
    UPDATE orders SET status = %(status)s, version = %(version)s, updated_at = %(now)s
     WHERE id = %(order_id)s AND status = %(previous)s AND version = %(version)s - 1
    RETURNING id
), history AS (
    INSERT INTO order_history (order_id, sequence, fact, data, changes, occurred_at)
    SELECT id, %(version)s, %(fact)s, %(fact_data)s, %(changes)s, %(now)s FROM moved
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT t.* FROM moved, unnest(%(partitions)s::smallint[], %(envelopes)b::text[]) AS t
)
SELECT count(*) AS moved FROM moved
"""

# What came after a given place in each of several histories: who watches orders asks for all of them at once.
NEWS = """
SELECT h.order_id, h.sequence, h.data ->> 'status' AS status, h.data ->> 'reason' AS reason, h.occurred_at
  FROM unnest(%(order_ids)s::uuid[], %(after)s::bigint[]) AS seen (order_id, sequence)
  JOIN order_history h ON h.order_id = seen.order_id AND h.sequence > seen.sequence
 ORDER BY h.order_id, h.sequence
"""

OWNER = "SELECT user_id, session FROM orders WHERE id = %(order_id)s"
