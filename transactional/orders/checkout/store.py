"""SQL of the checkout saga.

Every step is one statement whose first writing part is a compare-and-set on the saga's (step, epoch); all other parts
are fed by what that part returned, so that a step happens whole or not at all. Locks are taken in one order: carts,
reservations, checkouts, orders and payments, stock by (sku, warehouse). Envelopes go as binary arrays (%b): as text,
each quote of their JSON would be escaped one by one, which cost more than everything else.
"""

from __future__ import annotations

# The cart with what a quote needs of its products, which are null where a product is not for sale any more.
CART = """
SELECT c.version, i.product_id AS asked_product_id, i.quantity, q.*
  FROM carts c
  LEFT JOIN cart_items i ON i.cart_id = c.id AND NOT i.saved_for_later
  LEFT JOIN quotable_products q ON q.product_id = i.product_id
 WHERE c.id = %(cart_id)s
   AND CASE WHEN c.user_id IS NULL THEN c.session = %(session)s ELSE c.user_id = %(user_id)s END
 ORDER BY i.id
"""

PRODUCTS = "SELECT * FROM quotable_products WHERE product_id = ANY(%(product_ids)s)"


# The first commit: order, lines, payment, hard reservation, saga with its idempotency key, history and events, in one
# statement. It writes all or nothing: nothing where the stock is short, a price is another or the cart was changed
# since they were read, and nothing where the key is there already. Stock rows are locked in order, and what they hold
# is looked at again. A cart line's soft reservation has the line's id: it is that row which turns hard.
PLACE = """
WITH line AS (
    SELECT t.*, coalesce(i.id, t.new_reservation_id) AS reservation_id
      FROM unnest(%(product_ids)s::uuid[], %(skus)s::text[], %(titles)s::text[], %(warehouses)s::text[],
                  %(quantities)s::int[], %(listed_prices)s::numeric[], %(unit_prices)s::numeric[],
                  %(discounts)s::numeric[], %(totals)s::numeric[],
                  %(reservation_ids)s::uuid[], %(stock_partitions)s::smallint[], %(stock_envelopes)b::text[])
        WITH ORDINALITY AS t (product_id, sku, title, warehouse, quantity, listed_price, unit_price, discount, total,
                              new_reservation_id, stock_partition, stock_envelope, line_number)
      LEFT JOIN cart_items i ON i.cart_id = %(cart_id)s::uuid AND i.sku = t.sku
), cart AS (
    SELECT id FROM carts WHERE id = %(cart_id)s::uuid AND version = %(cart_version)s::bigint FOR UPDATE
), locked AS (
    SELECT s.available >= l.quantity AS enough FROM stock s JOIN line l ON l.sku = s.sku AND l.warehouse = s.warehouse
     ORDER BY s.sku, s.warehouse FOR UPDATE OF s
), fit AS (
    SELECT 1 WHERE (%(cart_id)s::uuid IS NULL OR EXISTS (SELECT FROM cart))
       AND (SELECT count(*) FROM locked WHERE enough) = cardinality(%(skus)s::text[])
       AND (SELECT count(*) FROM line l JOIN products p
                ON p.id = l.product_id AND p.price = l.listed_price AND p.status = 'active') =
                cardinality(%(skus)s::text[])
), saga AS (
    INSERT INTO checkouts (id, order_id, scope, idempotency_key, request_hash, step, context, owner, lease_until,
    created_at)
    SELECT %(checkout_id)s::uuid, %(order_id)s::uuid, %(scope)s, %(idempotency_key)s, %(request_hash)s, 'assessing',
           %(context)s, %(owner)s::uuid, %(lease_until)s, %(now)s
      FROM fit
    ON CONFLICT (scope, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING order_id
), cart_taken AS (
    UPDATE carts c SET version = c.version + 1, updated_at = %(now)s FROM saga WHERE c.id = %(cart_id)s::uuid
), cart_emptied AS (
    DELETE FROM cart_items i USING saga WHERE i.cart_id = %(cart_id)s::uuid AND NOT i.saved_for_later
), placed AS (
    INSERT INTO orders (id, user_id, session, status, currency, discount, shipping, tax, duties, tax_included,
                        total, stored_value, shipping_method, shipping_address, billing_address, estimated_delivery,
                        placed_at, updated_at)
    SELECT order_id, %(user_id)s::uuid, %(session)s, 'pending', %(currency)s, c.discount, c.shipping, c.tax, c.duties,
           c.tax_included, %(total)s, %(stored_value)s, %(shipping_method)s, %(shipping_address)s, %(billing_address)s,
           %(estimated_delivery)s, %(now)s, %(now)s
      FROM saga, jsonb_to_record(%(charges)s) AS c (discount numeric, shipping numeric, tax numeric, duties numeric,
                                                    tax_included numeric)
    RETURNING *
), ordered AS (
    INSERT INTO order_lines (order_id, line_number, product_id, sku, title, quantity, unit_price, discount, total,
                             reservation_id)
    SELECT order_id, line_number, product_id, sku, title, quantity, unit_price, discount, total, reservation_id
      FROM saga, line
    RETURNING *
), history AS (
    INSERT INTO order_history (order_id, sequence, fact, data, changes, occurred_at)
    SELECT o.id, 1, %(fact)s, %(fact_data)s,
           jsonb_build_object('order', to_jsonb(o) - %(personal)s::text[],
                              'lines', (SELECT jsonb_agg(to_jsonb(l)) FROM ordered l)), %(now)s
      FROM placed o
), payment AS (
    INSERT INTO payments (id, order_id, status, amount, currency, gateway, method_token, device, card, address,
                          created_at, updated_at)
    SELECT %(payment_id)s::uuid, order_id, 'pending', %(due)s, %(currency)s, %(gateway)s, %(method_token)s,
           %(device)s, %(card)s, %(address)s, %(now)s, %(now)s
      FROM saga
), reserved AS (
    INSERT INTO reservations (id, sku, warehouse, product_id, quantity, level, order_id, expires_at)
    SELECT reservation_id, sku, warehouse, product_id, quantity, 'hard', order_id, %(expires_at)s FROM saga, line
    ON CONFLICT (id) DO UPDATE SET warehouse = excluded.warehouse, quantity = excluded.quantity, level = 'hard',
                                   order_id = excluded.order_id, expires_at = excluded.expires_at
), ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, reference, occurred_at)
    SELECT sku, warehouse, -quantity, 'reservation', order_id, %(now)s FROM saga, line
), taken AS (
    UPDATE stock s SET available = s.available - l.quantity, version = s.version + 1
      FROM line l, saga
     WHERE s.sku = l.sku AND s.warehouse = l.warehouse
    RETURNING s.available, s.version, l.stock_partition, l.stock_envelope::jsonb AS stock_envelope
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT %(order_partition)s::smallint, %(order_envelope)s FROM saga
    UNION ALL
    SELECT stock_partition, (jsonb_set(stock_envelope, '{data,available}', to_jsonb(available))
                             || jsonb_build_object('sequence', version))::text FROM taken
)
SELECT order_id FROM saga
"""

# What a repeat of an idempotency key is answered.
BY_KEY = """
SELECT order_id, request_hash, outcome, answer FROM checkouts WHERE scope = %(scope)s AND idempotency_key =
%(idempotency_key)s
"""

# A step that changes nothing but the saga, with what it tells the world.
ADVANCE = """
WITH moved AS (
    UPDATE checkouts SET step = %(next)s, context = context || %(context)s, lease_until = %(lease_until)s
     WHERE id = %(checkout_id)s AND step = %(step)s AND epoch = %(epoch)s AND outcome IS NULL
    RETURNING 1
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT t.* FROM moved, unnest(%(partitions)s::smallint[], %(envelopes)b::text[]) AS t
)
SELECT count(*) AS moved FROM moved
"""

# The payment is authorized: stock allocated, order confirmed (or held for review), capture asked for. Not one of them
# unless the whole reservation is still held.
SETTLE = """
WITH held AS (
    SELECT id FROM reservations WHERE order_id = %(order_id)s AND level = 'hard' ORDER BY id FOR UPDATE
), moved AS (
    UPDATE checkouts SET step = 'settled', outcome = %(outcome)s, answer = %(answer)s, context = context || %(context)s
     WHERE id = %(checkout_id)s AND step = %(step)s AND epoch = %(epoch)s AND outcome IS NULL
       AND (SELECT count(*) FROM held) = %(lines)s
    RETURNING 1
), allocated AS (
    UPDATE reservations r SET level = 'allocated', expires_at = NULL FROM held, moved WHERE r.id = held.id
), ordered AS (
    UPDATE orders o SET status = %(status)s, version = %(order_version)s, tracking_number = %(tracking_number)s,
           updated_at = %(now)s
      FROM moved WHERE o.id = %(order_id)s
), history AS (
    INSERT INTO order_history (order_id, sequence, fact, data, changes, occurred_at)
    SELECT %(order_id)s, %(order_version)s, %(fact)s, %(fact_data)s, %(changes)s, %(now)s FROM moved
), paid AS (
    UPDATE payments p SET status = %(payment_status)s, gateway = %(gateway)s, gateway_reference = %(gateway_reference)s,
           version = 1, updated_at = %(now)s
      FROM moved WHERE p.id = %(payment_id)s
), capture AS (
    INSERT INTO payment_operations (id, payment_id, kind, amount, due_at, created_at)
    SELECT %(capture_id)s::uuid, %(payment_id)s, 'capture', %(due)s, %(real_now)s, %(now)s
      FROM moved WHERE %(capture_id)s::uuid IS NOT NULL
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT t.* FROM moved, unnest(%(partitions)s::smallint[], %(envelopes)b::text[]) AS t
)
SELECT count(*) AS moved FROM moved
"""

LOCK_RESERVATIONS = (
    "SELECT id FROM reservations WHERE order_id = %(order_id)s AND level = 'hard' ORDER BY id FOR UPDATE"
)

FINISH = """
UPDATE checkouts SET step = 'settled', outcome = %(outcome)s, answer = %(answer)s, context = context || %(context)s
 WHERE id = %(checkout_id)s AND step = %(step)s AND epoch = %(epoch)s AND outcome IS NULL
RETURNING 1 AS moved
"""

# Recovery: expired leases, each taken by one worker, with a raised epoch so that the former owner's next step finds
# zero rows.
TAKE_OVER = """
UPDATE checkouts SET owner = %(owner)s, epoch = epoch + 1, lease_until = %(lease_until)s
 WHERE id IN (SELECT id FROM checkouts WHERE outcome IS NULL AND lease_until < %(real_now)s
               ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, order_id, step, epoch, context
"""

# Someone has news of a payment: its checkout is due at once, if it still waits for an outcome.
HASTEN = """
UPDATE checkouts SET lease_until = %(real_now)s
 WHERE order_id = %(order_id)s AND outcome IS NULL AND step = 'looking_up' AND lease_until > %(real_now)s
"""

# A failed order is tried again with another payment method.
LOCK_FAILED = """
SELECT c.id, c.epoch, c.outcome, c.context, o.status, o.version, o.user_id, o.session, o.currency, o.total,
       o.total - o.stored_value AS due
  FROM orders o JOIN checkouts c ON c.order_id = o.id
 WHERE o.id = %(order_id)s FOR UPDATE
"""

REOPEN = """
WITH moved AS (
    UPDATE checkouts SET step = 'assessing', outcome = NULL, answer = NULL, context = %(context)s, owner = %(owner)s,
           epoch = epoch + 1, lease_until = %(lease_until)s
     WHERE id = %(checkout_id)s AND epoch = %(epoch)s AND outcome = 'failed'
    RETURNING epoch
), payment AS (
    INSERT INTO payments (id, order_id, status, amount, currency, gateway, method_token, device, card, address,
                          created_at, updated_at)
    SELECT %(payment_id)s, %(order_id)s, 'pending', %(due)s, %(currency)s, %(gateway)s, %(method_token)s,
           %(device)s, %(card)s, %(address)s, %(now)s, %(now)s
      FROM moved
), lines AS (
    UPDATE order_lines l SET reservation_id = t.reservation_id
      FROM moved, unnest(%(product_ids)s::uuid[], %(reservation_ids)s::uuid[]) AS t (product_id, reservation_id)
     WHERE l.order_id = %(order_id)s AND l.product_id = t.product_id
), arrival AS (
    UPDATE orders SET estimated_delivery = coalesce(%(estimated_delivery)s::timestamptz, estimated_delivery)
     WHERE id = %(order_id)s AND EXISTS (SELECT FROM moved)
)
SELECT epoch FROM moved
"""

LINES = """
SELECT l.line_number, l.product_id, l.sku, l.title, l.quantity, l.unit_price, l.total
  FROM order_lines l WHERE l.order_id = %(order_id)s ORDER BY l.line_number
"""

ANSWER = "SELECT answer FROM checkouts WHERE order_id = %(order_id)s"
