"""SQL of stock, reservations and the stock ledger.

Locks are taken in one global order: reservations by id, then stock by (sku, warehouse). Every statement that changes
``stock.available`` writes the same change to ``stock_ledger``, so that the ledger's sum is the stock.
"""

from __future__ import annotations

STOCK_OF_PRODUCT = """
SELECT s.sku, s.warehouse, s.available, s.reorder_level, s.available < s.reorder_level AS below_reorder_level,
       coalesce((SELECT sum(r.quantity) FROM reservations r
                  WHERE r.sku = s.sku AND r.level IN ('hard', 'allocated') AND r.warehouse = s.warehouse), 0)::int AS
                  reserved
  FROM stock s
 WHERE s.product_id IN (SELECT id FROM products WHERE id = %(product_id)s OR parent_id = %(product_id)s)
 ORDER BY s.warehouse, s.sku
"""

# What the carts of others than the caller hold softly. A soft reservation has the id of its cart line.
IN_OTHER_CARTS = """
SELECT coalesce(sum(r.quantity), 0)::int AS quantity
  FROM products p
  JOIN reservations r ON r.sku = p.sku AND r.level = 'soft' AND r.expires_at > %(now)s
 WHERE (p.id = %(product_id)s OR p.parent_id = %(product_id)s)
   AND NOT EXISTS (SELECT FROM cart_items i JOIN carts c ON c.id = i.cart_id
                    WHERE i.id = r.id AND (c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text))
"""

PRODUCT_EXISTS = "SELECT 1 FROM products WHERE id = %(product_id)s"

SKUS = "SELECT id, sku FROM products WHERE id = ANY(%(product_ids)s) AND NOT has_variants"

# Warehouses come into being with their first receipt.
ADD_WAREHOUSES = """
INSERT INTO warehouses (code, name) SELECT code, code FROM unnest(%(codes)s::text[]) AS code ORDER BY code
ON CONFLICT (code) DO NOTHING
"""

KNOWN_WAREHOUSES = "SELECT code FROM warehouses WHERE code = ANY(%(codes)s)"

SELLER_OF_PRODUCT = "SELECT seller FROM products WHERE id = %(product_id)s FOR SHARE"

# Goods received: rows come sorted by (sku, warehouse), one for each; the answer carries what the events need.
RECEIVE = """
WITH receipt AS (
    SELECT * FROM unnest(%(skus)s::text[], %(warehouses)s::text[], %(product_ids)s::uuid[], %(quantities)s::int[])
        AS t (sku, warehouse, product_id, quantity)
), ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, occurred_at)
    SELECT sku, warehouse, quantity, %(reason)s, %(now)s FROM receipt
)
INSERT INTO stock AS s (sku, warehouse, product_id, available)
SELECT sku, warehouse, product_id, quantity FROM receipt ORDER BY sku, warehouse
ON CONFLICT (sku, warehouse) DO UPDATE SET available = s.available + excluded.available, version = s.version + 1
RETURNING s.sku, s.warehouse, s.product_id, s.available, s.version
"""

# Version 0: nothing has been told of this stock yet.
ADD_EMPTY_STOCK = """
INSERT INTO stock (sku, warehouse, product_id, available, version)
VALUES (%(sku)s, %(warehouse)s, %(product_id)s, 0, 0) ON CONFLICT (sku, warehouse) DO NOTHING
"""

LOCK_STOCK = """
SELECT available, version FROM stock WHERE sku = %(sku)s AND warehouse = %(warehouse)s FOR UPDATE
"""

CORRECT = """
WITH ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, occurred_at)
    SELECT %(sku)s, %(warehouse)s, %(change)s::int, 'correction', %(now)s WHERE %(change)s::int <> 0
)
UPDATE stock SET available = available + %(change)s::int, version = version + 1
 WHERE sku = %(sku)s AND warehouse = %(warehouse)s
RETURNING sku, warehouse, product_id, available, version, %(change)s::int AS change
"""

# Where each SKU lies, and where an order goes. What it says may be stale when the stock is taken: taking checks again.
CANDIDATES = """
SELECT p.id AS product_id, p.sku,
       o.shipping_address ->> 'country' AS country, coalesce(o.shipping_address ->> 'state', '') AS region,
       (SELECT json_agg(json_build_array(s.warehouse, s.available, s.reorder_level, w.country, w.latitude, w.longitude,
                                         w.capacity))
          FROM stock s JOIN warehouses w ON w.code = s.warehouse WHERE s.sku = p.sku) AS warehouses
  FROM products p LEFT JOIN orders o ON o.id = %(order_id)s::uuid
 WHERE p.id = ANY(%(product_ids)s) AND NOT p.has_variants
"""

# All or nothing: the rows are locked in order, and unless every one still has enough nothing is taken.
TAKE = """
WITH wanted AS (
    SELECT * FROM unnest(%(reservation_ids)s::uuid[], %(skus)s::text[], %(warehouses)s::text[], %(quantities)s::int[])
        AS t (reservation_id, sku, warehouse, quantity)
), locked AS (
    SELECT s.sku, s.warehouse, s.available FROM stock s JOIN wanted w USING (sku, warehouse)
     ORDER BY s.sku, s.warehouse FOR UPDATE OF s
), enough AS (
    SELECT 1 FROM locked JOIN wanted USING (sku, warehouse)
    HAVING count(*) FILTER (WHERE available >= quantity) = cardinality(%(skus)s::text[])
), taken AS (
    UPDATE stock s SET available = s.available - w.quantity, version = s.version + 1
      FROM wanted w, enough
     WHERE s.sku = w.sku AND s.warehouse = w.warehouse AND s.available >= w.quantity
    RETURNING s.sku, s.warehouse, s.product_id, s.available, s.version, w.quantity, w.reservation_id
), reserved AS (
    INSERT INTO reservations (id, sku, warehouse, product_id, quantity, level, order_id, expires_at)
    SELECT reservation_id, sku, warehouse, product_id, quantity, 'hard', %(order_id)s, %(expires_at)s FROM taken
), ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, reference, occurred_at)
    SELECT sku, warehouse, -quantity, 'reservation', %(reference)s, %(now)s FROM taken
)
SELECT sku, warehouse, product_id, available, version, -quantity AS change FROM taken
"""

# Give back what is still held; what was released already is left alone, so that repeating it changes nothing.
RELEASE = """
WITH held AS (
    SELECT id, sku, warehouse, quantity FROM reservations
     WHERE id = ANY(%(reservation_ids)s) AND level IN ('hard', 'allocated') ORDER BY id FOR UPDATE
), released AS (
    UPDATE reservations r SET level = 'released', expires_at = NULL FROM held WHERE r.id = held.id
), back AS (
    SELECT sku, warehouse, sum(quantity)::int AS quantity FROM held GROUP BY sku, warehouse
), locked AS (
    SELECT s.sku, s.warehouse, b.quantity FROM stock s JOIN back b USING (sku, warehouse)
     ORDER BY s.sku, s.warehouse FOR UPDATE OF s
), ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, reference, occurred_at)
    SELECT sku, warehouse, quantity, %(reason)s, id, %(now)s FROM held
)
UPDATE stock s SET available = s.available + l.quantity, version = s.version + 1
  FROM locked l WHERE s.sku = l.sku AND s.warehouse = l.warehouse
RETURNING s.sku, s.warehouse, s.product_id, s.available, s.version, l.quantity AS change
"""

# The stock of a running checkout stays: its outcome is found by the recovery, and only then is the stock given back.
# SKIP LOCKED, so that two workers share the work.
EXPIRED = """
SELECT r.id FROM reservations r
 WHERE r.level = 'hard' AND r.expires_at <= %(now)s
   AND NOT EXISTS (SELECT FROM checkouts c WHERE c.order_id = r.order_id AND c.outcome IS NULL)
 ORDER BY r.id LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED
"""

# A soft reservation took no stock, so it simply goes. Alone in its transaction and without waiting for anyone: a checkout
# that turns such a row hard has its stock locked already.
EXPIRE_SOFT = """
WITH expired AS (
    SELECT id FROM reservations WHERE level = 'soft' AND expires_at <= %(now)s
     ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM reservations r USING expired WHERE r.id = expired.id
"""

# The parcel has left: its units are no longer reserved, and never come back by a release.
SHIP = "UPDATE reservations SET level = 'shipped' WHERE order_id = %(order_id)s AND level = 'allocated'"

# Reservations that callers of the inventory API made; those of orders are the checkout's alone.
LOCK_FREE_RESERVATIONS = """
SELECT id, level, order_id FROM reservations
 WHERE id = ANY(%(reservation_ids)s) AND level <> 'soft' ORDER BY id FOR UPDATE
"""

# Where the ledger and the stock differ; empty unless something is broken.
LEDGER_DIFFERENCES = """
SELECT coalesce(s.sku, l.sku) AS sku, coalesce(s.warehouse, l.warehouse) AS warehouse,
       coalesce(s.available, 0) AS available, coalesce(l.total, 0) AS ledger
  FROM stock s
  FULL JOIN (SELECT sku, warehouse, sum(change) AS total FROM stock_ledger GROUP BY sku, warehouse) l
       ON l.sku = s.sku AND l.warehouse = s.warehouse
 WHERE coalesce(s.available, 0) <> coalesce(l.total, 0)
"""

WAREHOUSES = """
SELECT code, name, country, latitude, longitude, capacity FROM warehouses
 WHERE code > %(after)s ORDER BY code LIMIT %(limit)s + 1
"""

PUT_WAREHOUSE = """
INSERT INTO warehouses (code, name, country, latitude, longitude, capacity)
VALUES (%(code)s, %(name)s, %(country)s, %(latitude)s, %(longitude)s, %(capacity)s)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, country = excluded.country, latitude = excluded.latitude,
                                 longitude = excluded.longitude, capacity = excluded.capacity
RETURNING code, name, country, latitude, longitude, capacity
"""

SET_REORDER_LEVEL = """
WITH locked AS (
    SELECT sku, warehouse FROM stock
     WHERE product_id = %(product_id)s AND (%(warehouse)s::text IS NULL OR warehouse = %(warehouse)s::text)
     ORDER BY sku, warehouse FOR UPDATE
)
UPDATE stock s SET reorder_level = %(reorder_level)s FROM locked l WHERE s.sku = l.sku AND s.warehouse = l.warehouse
RETURNING s.warehouse
"""

# What is below its reorder level now, with the alert that was raised when it last fell there; stock that never stood
# higher has none.
BELOW_REORDER_LEVEL = """
SELECT s.sku, s.warehouse, s.product_id, p.title, s.available, s.reorder_level, a.id AS alert_id, a.raised_at
  FROM stock s
  JOIN products p ON p.id = s.product_id
  LEFT JOIN LATERAL (SELECT id, raised_at FROM reorder_alerts
                      WHERE sku = s.sku AND warehouse = s.warehouse ORDER BY number DESC LIMIT 1) a ON true
 WHERE s.available < s.reorder_level AND (s.sku, s.warehouse) > (%(after_sku)s, %(after_warehouse)s)
 ORDER BY s.sku, s.warehouse LIMIT %(limit)s + 1
"""

# Falls below the reorder level that nobody has told of yet. SKIP LOCKED, so that two workers share the work.
ALERTS_TO_RAISE = """
SELECT number, sku, warehouse, product_id, available, reorder_level FROM reorder_alerts
 WHERE raised_at IS NULL ORDER BY number LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

RAISE_ALERTS = """
UPDATE reorder_alerts a SET id = t.id, raised_at = %(now)s
  FROM unnest(%(numbers)s::bigint[], %(ids)s::uuid[]) AS t (number, id) WHERE a.number = t.number
"""
