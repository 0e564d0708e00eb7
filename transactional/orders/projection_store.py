"""SQL of the order's projection. JSON goes in and out as text: the driver's parser would make floats of money."""

from __future__ import annotations

LATEST_SNAPSHOT = """
SELECT state::text AS state FROM order_snapshots
 WHERE order_id = %(order_id)s AND sequence <= coalesce(%(sequence)s::bigint, sequence)
   AND taken_at <= coalesce(%(moment)s::timestamptz, taken_at)
 ORDER BY sequence DESC LIMIT 1
"""

FACTS = """
SELECT sequence, occurred_at::text AS occurred_at, changes::text AS changes FROM order_history
 WHERE order_id = %(order_id)s AND sequence > %(after)s AND sequence <= coalesce(%(sequence)s::bigint, sequence)
   AND occurred_at <= coalesce(%(moment)s::timestamptz, occurred_at)
 ORDER BY sequence
"""

ADD_SNAPSHOT = """
INSERT INTO order_snapshots (order_id, sequence, state, taken_at)
VALUES (%(order_id)s, %(sequence)s, %(state)s, %(now)s) ON CONFLICT DO NOTHING
"""

# Whole histories of the next orders after one. An order without any history is a finding too: its changes are null.
HISTORIES = """
SELECT o.id AS order_id, h.sequence, h.occurred_at::text AS occurred_at, h.changes::text AS changes
  FROM (SELECT id FROM orders WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) o
  LEFT JOIN order_history h ON h.order_id = o.id
 ORDER BY o.id, h.sequence
"""

# The columns that a state leaves out keep the row's own values.
DIFFERING = """
WITH state AS (
    SELECT (s ->> 'sequence')::bigint AS sequence, s -> 'order' AS changes, s -> 'lines' AS lines
      FROM unnest(%(states)s::text[]) AS t (document), LATERAL (SELECT t.document::jsonb) AS parsed (s)
)
SELECT o.id AS order_id, 'row' AS part
  FROM state s JOIN orders o ON o.id = (s.changes ->> 'id')::uuid
 WHERE jsonb_populate_record(o, s.changes) IS DISTINCT FROM o
UNION ALL
SELECT (s.changes ->> 'id')::uuid, 'list of lines'
  FROM state s
 WHERE EXISTS (
        (SELECT * FROM order_lines WHERE order_id = (s.changes ->> 'id')::uuid
         EXCEPT SELECT * FROM jsonb_populate_recordset(NULL::order_lines, s.lines))
        UNION ALL
        (SELECT * FROM jsonb_populate_recordset(NULL::order_lines, s.lines)
         EXCEPT SELECT * FROM order_lines WHERE order_id = (s.changes ->> 'id')::uuid))
"""

LOCK = "SELECT id FROM orders WHERE id = %(order_id)s FOR UPDATE"

# The number is PostgreSQL's own and never changes; what names a person is not in the state.
REBUILD = """
WITH state AS (
    SELECT s -> 'order' AS changes, s -> 'lines' AS lines FROM (SELECT %(state)s::text::jsonb) AS parsed (s)
), said AS (
    SELECT r.* FROM state s JOIN orders o ON o.id = (s.changes ->> 'id')::uuid, jsonb_populate_record(o, s.changes) AS r
), ordered AS (
    SELECT l.* FROM state s, jsonb_populate_recordset(NULL::order_lines, s.lines) AS l
), gone AS (
    DELETE FROM order_lines l USING said
     WHERE l.order_id = said.id AND l.line_number NOT IN (SELECT line_number FROM ordered)
), written AS (
    INSERT INTO order_lines SELECT * FROM ordered
    ON CONFLICT (order_id, line_number) DO UPDATE
       SET product_id = excluded.product_id, sku = excluded.sku, title = excluded.title, quantity = excluded.quantity,
           unit_price = excluded.unit_price, discount = excluded.discount, total = excluded.total,
           reservation_id = excluded.reservation_id
)
UPDATE orders o
   SET session = said.session, channel = said.channel, external_reference = said.external_reference,
       status = said.status, currency = said.currency, discount = said.discount, shipping = said.shipping,
       tax = said.tax, duties = said.duties, tax_included = said.tax_included, total = said.total,
       stored_value = said.stored_value, shipping_method = said.shipping_method,
       estimated_delivery = said.estimated_delivery,
       tracking_number = said.tracking_number, version = said.version, placed_at = said.placed_at,
       updated_at = said.updated_at
  FROM said WHERE o.id = said.id
"""
