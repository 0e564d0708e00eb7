"""SQL of payments and their durable operations."""

from __future__ import annotations

_PSEUDONYM = "(SELECT s.pseudonym FROM orders o JOIN pseudonyms s ON s.user_id = o.user_id WHERE o.id = p.order_id)"

# A payment goes to another status; only from those named, so that repeating it, or coming too late, changes nothing.
CHANGE = f"""
UPDATE payments p
   SET status = %(status)s, version = version + 1, updated_at = %(now)s,
       failure_reason = coalesce(%(failure_reason)s, failure_reason),
       gateway_reference = coalesce(%(gateway_reference)s, gateway_reference),
       captured = captured + %(captured)s::numeric
 WHERE id = %(payment_id)s AND status = ANY(%(from)s::text[])
RETURNING id, order_id, status, amount, currency, gateway, version, captured, refunded, device, card, address,
          {_PSEUDONYM} AS "user"
"""

PAYMENT = """
SELECT p.id, p.order_id, p.status, p.amount, p.currency, p.gateway, p.gateway_reference, p.captured, p.refunded,
       p.failure_reason, p.updated_at, o.user_id, o.session, o.status AS order_status
  FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = %(payment_id)s
"""

LOCK = """
SELECT id, order_id, status, amount, currency, captured, refunded FROM payments WHERE id = %(payment_id)s FOR UPDATE
"""

# The latest payment of an order, locked.
LOCK_LATEST = """
SELECT id, order_id, status, amount, currency, captured, refunded FROM payments
 WHERE order_id = %(order_id)s ORDER BY id DESC LIMIT 1 FOR UPDATE
"""

ADD_OPERATION = """
INSERT INTO payment_operations (id, payment_id, kind, amount, reason, due_at, created_at)
VALUES (%(id)s, %(payment_id)s, %(kind)s, %(amount)s, %(reason)s, %(real_now)s, %(now)s)
"""

# A capture that no worker has begun is not needed any more.
DROP_UNSTARTED_CAPTURE = """
UPDATE payment_operations SET status = 'dropped'
 WHERE payment_id = %(payment_id)s AND kind = 'capture' AND status = 'due' AND attempts = 0
"""

# The refunds asked for never exceed what was captured: the row is locked, and a check of the table says the same.
ADD_REFUNDED = """
UPDATE payments SET refunded = refunded + %(amount)s::numeric, updated_at = %(now)s
 WHERE id = %(payment_id)s AND status IN ('captured', 'refunded') AND refunded + %(amount)s::numeric <= captured
RETURNING refunded, captured
"""

# Operations whose time has come, at most one of a payment and only its oldest; the due time becomes the lease. The
# epoch that is raised here is named by whatever the worker writes afterwards.
TAKE_DUE = """
UPDATE payment_operations t SET due_at = %(lease_until)s, attempts = attempts + 1, epoch = epoch + 1
  FROM payments p
 WHERE t.id IN (
        SELECT d.id FROM payment_operations d
         WHERE d.status = 'due' AND d.due_at <= %(real_now)s
           AND NOT EXISTS (SELECT FROM payment_operations e
                            WHERE e.payment_id = d.payment_id AND e.status = 'due' AND e.id < d.id)
         ORDER BY d.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
   AND p.id = t.payment_id
RETURNING t.id, t.payment_id, t.kind, t.amount, t.reason, t.epoch, t.attempts,
          p.status AS payment_status, p.gateway, p.gateway_reference, p.captured, p.refunded, p.amount AS payment_amount
"""

POSTPONE = (
    "UPDATE payment_operations SET due_at = %(due_at)s WHERE id = %(id)s AND epoch = %(epoch)s AND status = 'due'"
)

# The end of an operation: a compare-and-set on its epoch.
CLOSE = """
UPDATE payment_operations SET status = %(status)s, reason = coalesce(%(reason)s, reason)
 WHERE id = %(id)s AND epoch = %(epoch)s AND status = 'due'
RETURNING 1 AS closed
"""

# Captures that the gateway carried out, in one statement for a batch: operation, payment and event.
CAPTURED_ROWS = f"""
SELECT t.id AS operation_id, p.id, p.order_id, p.amount, p.currency, p.gateway, p.version, p.device, p.card, p.address,
       t.amount AS captured_now, {_PSEUDONYM} AS "user"
  FROM payment_operations t JOIN payments p ON p.id = t.payment_id
 WHERE t.status = 'due' AND p.status = 'authorized'
   AND (t.id, t.epoch) IN (SELECT * FROM unnest(%(ids)s::uuid[], %(epochs)s::int[]))
 ORDER BY p.id FOR UPDATE OF p, t
"""

CAPTURED = """
WITH done AS (
    UPDATE payment_operations SET status = 'done' WHERE id = ANY(%(operation_ids)s::uuid[])
), told AS (
    INSERT INTO outbox (partition, envelope) SELECT * FROM unnest(%(partitions)s::smallint[], %(envelopes)b::text[])
)
UPDATE payments p SET status = 'captured', captured = t.amount, version = version + 1, updated_at = %(now)s
  FROM unnest(%(payment_ids)s::uuid[], %(amounts)s::numeric[]) AS t (id, amount) WHERE p.id = t.id
"""

# A refund that the gateway refused was not paid out.
TAKE_BACK_REFUNDED = """
UPDATE payments SET refunded = refunded - %(amount)s::numeric, updated_at = %(now)s,
       status = CASE status WHEN 'refunded' THEN 'captured' ELSE status END
 WHERE id = %(payment_id)s
"""

OPERATION = "SELECT id, payment_id, kind, amount, status, reason FROM payment_operations WHERE id = %(id)s"
