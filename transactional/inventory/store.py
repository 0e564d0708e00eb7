"""SQL of stock, reservations and the stock ledger.

Locks are taken in one global order: reservations by id, then stock by (sku, warehouse). Every statement that changes
``stock.available`` writes the same change to ``stock_ledger``, so that the ledger's sum is the stock.
"""

from __future__ import annotations

STOCK_OF_PRODUCT = """
SELECT s.sku, s.warehouse, s.available, s.reorder_level,
       coalesce((SELECT sum(r.quantity) FROM reservations r
                  WHERE r.sku = s.sku AND r.warehouse = s.warehouse AND r.level IN ('hard', 'allocated')), 0) AS
                  reserved
  FROM stock s
 WHERE s.product_id = %(product_id)s
 ORDER BY s.warehouse
"""

PRODUCT_EXISTS = "SELECT 1 FROM products WHERE id = %(product_id)s"

SKUS = "SELECT id, sku FROM products WHERE id = ANY(%(product_ids)s)"

# Warehouses come into being with their first receipt.
ADD_WAREHOUSES = """
INSERT INTO warehouses (code, name) SELECT code, code FROM unnest(%(codes)s::text[]) AS code ORDER BY code
ON CONFLICT (code) DO NOTHING
"""

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

# The warehouse that has most of each SKU. What it says may be stale when the stock is taken: taking checks again.
BEST_WAREHOUSES = """
SELECT DISTINCT ON (p.id) p.id AS product_id, p.sku, s.warehouse, coalesce(s.available, 0) AS available
  FROM products p LEFT JOIN stock s ON s.product_id = p.id AND s.sku = p.sku
 WHERE p.id = ANY(%(product_ids)s)
 ORDER BY p.id, s.available DESC NULLS LAST, s.warehouse
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
    SELECT id, sku, warehouse, quantity, level FROM reservations
     WHERE id = ANY(%(reservation_ids)s) AND level <> 'released' ORDER BY id FOR UPDATE
), released AS (
    UPDATE reservations r SET level = 'released', expires_at = NULL FROM held WHERE r.id = held.id
), back AS (
    SELECT sku, warehouse, sum(quantity)::int AS quantity FROM held WHERE level <> 'soft' GROUP BY sku, warehouse
), locked AS (
    SELECT s.sku, s.warehouse, b.quantity FROM stock s JOIN back b USING (sku, warehouse)
     ORDER BY s.sku, s.warehouse FOR UPDATE OF s
), ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, reference, occurred_at)
    SELECT sku, warehouse, quantity, %(reason)s, id, %(now)s FROM held WHERE level <> 'soft'
)
UPDATE stock s SET available = s.available + l.quantity, version = s.version + 1
  FROM locked l WHERE s.sku = l.sku AND s.warehouse = l.warehouse
RETURNING s.sku, s.warehouse, s.product_id, s.available, s.version, l.quantity AS change
"""

# The stock of a running checkout stays: its outcome is found by the recovery, and only then is the stock given back.
# SKIP LOCKED, so that two workers share the work.
EXPIRED = """
SELECT r.id FROM reservations r
 WHERE r.level IN ('soft', 'hard') AND r.expires_at <= %(now)s
   AND NOT EXISTS (SELECT FROM checkouts c WHERE c.order_id = r.order_id AND c.outcome IS NULL)
 ORDER BY r.id LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED
"""

# Reservations that callers of the inventory API made; those of orders are the checkout's alone.
LOCK_FREE_RESERVATIONS = """
SELECT id, level, order_id FROM reservations WHERE id = ANY(%(reservation_ids)s) ORDER BY id FOR UPDATE
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
