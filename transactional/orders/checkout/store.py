"""SQL of the checkout saga.

Every step is one statement whose first writing part is a compare-and-set on the saga's (step, epoch); all other parts
are fed by what that part returned, so that a step happens whole or not at all. Locks are taken in one order: carts,
reservations, checkouts, orders and payments, stock by (sku, warehouse).

The two steps of every order take their values as documents (``query.document``). Elsewhere envelopes go as binary arrays
(%b): as text, each quote of their JSON would be escaped one by one, which cost more than everything else.
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

# In the order in which they were asked for, which is that of the order's lines.
PRODUCTS = """
SELECT * FROM quotable_products WHERE product_id = ANY(%(product_ids)s)
 ORDER BY array_position(%(product_ids)s::uuid[], product_id)
"""


# The first commit: order, lines, payment, hard reservation, saga with its idempotency key, history and events, in one
# statement. It writes all or nothing: nothing where the stock is short, a price is another or the cart was changed
# since they were read, and nothing where the key is there already. Stock rows are locked in order, and what they hold
# is looked at again. A cart line's soft reservation has the line's id: it is that row which turns hard. The limit lets
# nothing out: it tells the planner that lines are few.
PLACE = """
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_record(%(order)s) AS o (
        cart_id uuid, cart_version bigint, checkout_id uuid, order_id uuid, scope text, idempotency_key text,
        request_hash bytea, context jsonb, owner uuid, lease_until timestamptz, user_id uuid, session text,
        currency text, discount numeric, shipping numeric, tax numeric, duties numeric, tax_included numeric,
        total numeric, stored_value numeric, due numeric, shipping_method text, estimated_delivery timestamptz,
        shipping_address jsonb, billing_address jsonb, fact text, fact_data jsonb, personal text[], payment_id uuid,
        gateway text, method_token text, device text, card text, address text, expires_at timestamptz,
        now timestamptz, partition smallint, envelope text)
), line AS (
    SELECT l.*, coalesce(i.id, l.new_reservation_id) AS reservation_id
      FROM asked a
     CROSS JOIN (SELECT * FROM jsonb_to_recordset(%(lines)s) AS t (
                     line_number int, product_id uuid, sku text, title text, warehouse text, quantity int,
                     listed_price numeric, unit_price numeric, discount numeric, total numeric,
                     new_reservation_id uuid, stock_partition smallint, stock_envelope jsonb)
                  LIMIT %(number_of_lines)s) l
      LEFT JOIN cart_items i ON i.cart_id = a.cart_id AND i.sku = l.sku
), cart AS (
    SELECT c.id FROM asked a JOIN carts c ON c.id = a.cart_id AND c.version = a.cart_version FOR UPDATE OF c
), locked AS (
    SELECT s.available >= l.quantity AS enough FROM stock s JOIN line l ON l.sku = s.sku AND l.warehouse = s.warehouse
     ORDER BY s.sku, s.warehouse FOR UPDATE OF s
), fit AS (
    SELECT a.* FROM asked a
     WHERE (a.cart_id IS NULL OR EXISTS (SELECT FROM cart))
       AND (SELECT count(*) FROM locked WHERE enough) = %(number_of_lines)s
       AND (SELECT count(*) FROM line l JOIN products p
                ON p.id = l.product_id AND p.price = l.listed_price AND p.status = 'active') = %(number_of_lines)s
), saga AS (
    INSERT INTO checkouts (id, order_id, scope, idempotency_key, request_hash, step, context, owner, lease_until,
                           created_at)
    SELECT checkout_id, order_id, scope, idempotency_key, request_hash, 'assessing', context, owner, lease_until, now
      FROM fit
    ON CONFLICT (scope, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING order_id
), taking AS (
    SELECT a.* FROM asked a JOIN saga ON saga.order_id = a.order_id
), cart_taken AS (
    UPDATE carts c SET version = c.version + 1, updated_at = t.now FROM taking t WHERE c.id = t.cart_id
), cart_emptied AS (
    DELETE FROM cart_items i USING taking t WHERE i.cart_id = t.cart_id AND NOT i.saved_for_later
), placed AS (
    INSERT INTO orders (id, user_id, session, status, currency, discount, shipping, tax, duties, tax_included,
                        total, stored_value, shipping_method, shipping_address, billing_address, estimated_delivery,
                        placed_at, updated_at)
    SELECT order_id, user_id, session, 'pending', currency, discount, shipping, tax, duties, tax_included, total,
           stored_value, shipping_method, shipping_address, billing_address, estimated_delivery, now, now
      FROM taking
    RETURNING *
), ordered AS (
    INSERT INTO order_lines (order_id, line_number, product_id, sku, title, quantity, unit_price, discount, total,
                             reservation_id)
    SELECT t.order_id, l.line_number, l.product_id, l.sku, l.title, l.quantity, l.unit_price, l.discount, l.total,
           l.reservation_id
      FROM taking t, line l
    RETURNING *
), history AS (
    INSERT INTO order_history (order_id, sequence, fact, data, changes, occurred_at)
    SELECT t.order_id, 1, t.fact, t.fact_data,
           jsonb_build_object('order', to_jsonb(o) - t.personal,
                              'lines', (SELECT jsonb_agg(to_jsonb(l)) FROM ordered l)), t.now
      FROM taking t, placed o
), payment AS (
    INSERT INTO payments (id, order_id, status, amount, currency, gateway, method_token, device, card, address,
                          created_at, updated_at)
    SELECT payment_id, order_id, 'pending', due, currency, gateway, method_token, device, card, address, now, now
      FROM taking
), reserved AS (
    INSERT INTO reservations (id, sku, warehouse, product_id, quantity, level, order_id, expires_at)
    SELECT l.reservation_id, l.sku, l.warehouse, l.product_id, l.quantity, 'hard', t.order_id, t.expires_at
      FROM taking t, line l
    ON CONFLICT (id) DO UPDATE SET warehouse = excluded.warehouse, quantity = excluded.quantity, level = 'hard',
                                   order_id = excluded.order_id, expires_at = excluded.expires_at
), ledger AS (
    INSERT INTO stock_ledger (sku, warehouse, change, reason, reference, occurred_at)
    SELECT l.sku, l.warehouse, -l.quantity, 'reservation', t.order_id, t.now FROM taking t, line l
), taken AS (
    UPDATE stock s SET available = s.available - l.quantity, version = s.version + 1
      FROM taking t, line l
     WHERE s.sku = l.sku AND s.warehouse = l.warehouse
    RETURNING s.available, s.version, l.stock_partition, l.stock_envelope
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT partition, envelope FROM taking
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

# Whoever writes a step names the one that it is at, and its epoch. None is at 'settled', so that the outcome need not be
# asked for too: PostgreSQL would then take the index of all running checkouts for the shortest way to one of them.

# A step that changes nothing but the saga, with what it tells the world.
ADVANCE = """
WITH moved AS (
    UPDATE checkouts SET step = %(next)s, context = context || %(context)s, lease_until = %(lease_until)s
     WHERE id = %(checkout_id)s AND step = %(step)s AND epoch = %(epoch)s
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
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_record(%(settlement)s) AS s (
        order_id uuid, checkout_id uuid, step text, epoch bigint, outcome text, answer jsonb, context jsonb, lines int,
        order_version bigint, tracking_number text, fact text, fact_data jsonb, changes jsonb, payment_id uuid,
        payment_status text, gateway text, gateway_reference text, capture_id uuid, due numeric, real_now timestamptz,
        now timestamptz)
), held AS (
    SELECT r.id FROM asked a JOIN reservations r ON r.order_id = a.order_id AND r.level = 'hard'
     ORDER BY r.id FOR UPDATE OF r
), moved AS (
    UPDATE checkouts c SET step = 'settled', outcome = a.outcome, answer = a.answer, context = c.context || a.context
      FROM asked a
     WHERE c.id = a.checkout_id AND c.step = a.step AND c.epoch = a.epoch
       AND (SELECT count(*) FROM held) = a.lines
    RETURNING a.*
), allocated AS (
    UPDATE reservations r SET level = 'allocated', expires_at = NULL FROM held, moved WHERE r.id = held.id
), ordered AS (
    UPDATE orders o SET status = m.outcome, version = m.order_version, tracking_number = m.tracking_number,
           updated_at = m.now
      FROM moved m WHERE o.id = m.order_id
), history AS (
    INSERT INTO order_history (order_id, sequence, fact, data, changes, occurred_at)
    SELECT order_id, order_version, fact, fact_data, changes, now FROM moved
), paid AS (
    UPDATE payments p SET status = m.payment_status, gateway = m.gateway, gateway_reference = m.gateway_reference,
           version = 1, updated_at = m.now
      FROM moved m WHERE p.id = m.payment_id
), capture AS (
    INSERT INTO payment_operations (id, payment_id, kind, amount, due_at, created_at)
    SELECT capture_id, payment_id, 'capture', due, real_now, now FROM moved WHERE capture_id IS NOT NULL
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT e.partition, e.envelope
      FROM moved, jsonb_to_recordset(%(events)s) AS e (partition smallint, envelope text)
)
SELECT count(*) AS moved FROM moved
"""

LOCK_RESERVATIONS = (
    "SELECT id FROM reservations WHERE order_id = %(order_id)s AND level = 'hard' ORDER BY id FOR UPDATE"
)

FINISH = """
UPDATE checkouts SET step = 'settled', outcome = %(outcome)s, answer = %(answer)s, context = context || %(context)s
 WHERE id = %(checkout_id)s AND step = %(step)s AND epoch = %(epoch)s
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
