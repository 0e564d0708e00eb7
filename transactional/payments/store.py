"""SQL of payments and their durable operations."""

from __future__ import annotations

_PSEUDONYM = "(SELECT s.pseudonym FROM orders o JOIN pseudonyms s ON s.user_id = o.user_id WHERE o.id = p.order_id)"

# A payment goes to another status; only from those named, so that repeating it, or coming too late, changes nothing.
CHANGE = f"""
UPDATE payments p
   SET status = %(status)s, version = version + 1, updated_at = %(now)s,
       failure_reason = coalesce(%(failure_reason)s, failure_reason),
       gateway = coalesce(%(gateway)s, gateway),
       gateway_reference = coalesce(%(gateway_reference)s, gateway_reference)
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

CAPTURE_ASKED = """
SELECT 1 AS asked FROM payment_operations
 WHERE payment_id = %(payment_id)s AND kind = 'capture' AND status IN ('due', 'done') LIMIT 1
"""

# The refunds asked for never exceed what was captured: the row is locked, and a check of the table says the same.
GRANT_REFUND = """
WITH granted AS (
    UPDATE payments SET refunded = refunded + %(amount)s::numeric, updated_at = %(now)s
     WHERE id = %(payment_id)s AND status IN ('captured', 'refunded') AND refunded + %(amount)s::numeric <= captured
    RETURNING id, currency, gateway
), asked AS (
    INSERT INTO payment_operations (id, payment_id, kind, amount, reason, due_at, created_at)
    SELECT %(operation_id)s, id, 'refund', %(amount)s, %(reason)s, %(real_now)s, %(now)s FROM granted
), posted AS (
    INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
    SELECT id, %(operation_id)s, 'refund_granted', 'refunds', 'refunds_payable', %(amount)s, currency, gateway, %(now)s
      FROM granted
)
SELECT 1 AS granted FROM granted
"""

# Operations whose time has come, at most one of a payment and only its oldest; the due time becomes the lease. The
# epoch that is raised here is named by whatever the worker writes afterwards. OFFSET 0: what is earlier is looked for among
# the payment's own operations; PostgreSQL would look among all that is due, for each that is due.
TAKE_DUE = """
UPDATE payment_operations t SET due_at = %(lease_until)s, attempts = attempts + 1, epoch = epoch + 1
  FROM payments p
 WHERE t.id IN (
        SELECT d.id FROM payment_operations d
         WHERE d.status = 'due' AND d.due_at <= %(real_now)s
           AND NOT EXISTS (SELECT FROM (SELECT * FROM payment_operations e
                                         WHERE e.payment_id = d.payment_id AND e.id < d.id OFFSET 0) AS earlier
                            WHERE earlier.status = 'due' AND earlier.kind <> 'void_stray')
         ORDER BY d.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
   AND p.id = t.payment_id
RETURNING t.id, t.payment_id, t.kind, t.amount, t.reason, t.epoch, t.attempts,
          p.status AS payment_status, coalesce(t.gateway, p.gateway) AS gateway, p.gateway AS payment_gateway,
          p.gateway_reference, p.captured, p.refunded, p.amount AS payment_amount
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
), captured AS (
    UPDATE payments p SET status = 'captured', captured = t.amount, version = version + 1, updated_at = %(now)s
      FROM unnest(%(operation_ids)s::uuid[], %(payment_ids)s::uuid[], %(amounts)s::numeric[])
           AS t (operation_id, id, amount)
     WHERE p.id = t.id
    RETURNING p.id, t.operation_id, t.amount, p.currency, p.gateway
)
INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT id, operation_id, 'capture', 'gateway_clearing', 'revenue', amount, currency, gateway, %(now)s
  FROM captured WHERE amount > 0
"""

# A refund that the gateway refused was not paid out.
TAKE_BACK_REFUNDED = """
WITH back AS (
    UPDATE payments SET refunded = refunded - %(amount)s::numeric, updated_at = %(now)s,
           status = CASE status WHEN 'refunded' THEN 'captured' ELSE status END
     WHERE id = %(payment_id)s
    RETURNING id, currency, gateway
)
INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT id, %(operation_id)s, 'refund_refused', 'refunds_payable', 'refunds', %(amount)s, currency, gateway, %(now)s
  FROM back
"""

# A refund that the gateway has paid out.
POST_REFUND_PAID = """
INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT id, %(operation_id)s, 'refund_paid', 'refunds_payable', 'gateway_clearing', %(amount)s, currency, gateway, %(now)s
  FROM payments WHERE id = %(payment_id)s
"""

# The card's holder took back what the gateway still held of the payment; nothing where it held nothing.
POST_CHARGE_BACK = """
INSERT INTO payment_ledger (payment_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT p.id, 'charge_back', 'charge_backs', 'gateway_clearing', sum(e.amount), p.currency, p.gateway, %(now)s
  FROM payments p JOIN payment_ledger_entries e ON e.payment_id = p.id AND e.account = 'gateway_clearing'
 WHERE p.id = %(payment_id)s
 GROUP BY p.id HAVING sum(e.amount) > 0
"""

OPERATION = "SELECT id, payment_id, kind, amount, status, reason FROM payment_operations WHERE id = %(id)s"

# What each account holds, by currency: debits minus credits. The sum over all accounts of a currency is zero.
TRIAL_BALANCE = """
SELECT currency, account, sum(amount) AS balance FROM payment_ledger_entries GROUP BY currency, account
 ORDER BY currency, account
"""

# Where payments and ledger differ; empty unless something is broken. `held` is what the gateway still has of a payment:
# nothing once it was charged back, else what was captured less the refunds that were paid out.
LEDGER_DIFFERENCES = """
WITH ledger AS (
    SELECT payment_id,
           coalesce(-sum(amount) FILTER (WHERE account = 'revenue'), 0) AS captured,
           coalesce(sum(amount) FILTER (WHERE account = 'refunds'), 0) AS refunded,
           coalesce(-sum(amount) FILTER (WHERE account = 'refunds_payable'), 0) AS payable,
           coalesce(sum(amount) FILTER (WHERE account = 'charge_backs'), 0) AS charged_back,
           coalesce(sum(amount) FILTER (WHERE account = 'gateway_clearing'), 0) AS held
      FROM payment_ledger_entries GROUP BY payment_id
), due AS (
    SELECT payment_id, sum(amount) AS payable FROM payment_operations
     WHERE kind = 'refund' AND status = 'due' GROUP BY payment_id
)
SELECT p.id AS payment_id, p.status, p.captured, p.refunded, l.captured AS ledger_captured,
       l.refunded AS ledger_refunded, l.payable AS ledger_payable, l.held AS ledger_held
  FROM payments p LEFT JOIN ledger l ON l.payment_id = p.id LEFT JOIN due d ON d.payment_id = p.id
 WHERE p.captured <> coalesce(l.captured, 0)
    OR p.refunded <> coalesce(l.refunded, 0)
    OR coalesce(d.payable, 0) <> coalesce(l.payable, 0)
    OR p.captured - p.refunded <> coalesce(l.held + l.charged_back - l.payable, 0)
"""

# Someone says that a gateway has a charge which is not the payment's own, or may have one later: it is looked up when
# due. Nothing new where that is going to happen already.
ADD_STRAY = """
INSERT INTO payment_operations (id, payment_id, kind, amount, gateway, reason, due_at, created_at)
VALUES (%(id)s, %(payment_id)s, 'void_stray', 0, %(gateway)s, %(reason)s, %(due_at)s, %(now)s)
ON CONFLICT (payment_id, gateway) WHERE kind = 'void_stray' AND status = 'due'
   DO UPDATE SET due_at = least(payment_operations.due_at, excluded.due_at)
"""

# A payment as news of it finds it, with the gateway that its checkout asks just now.
NEWS_OF = """
SELECT p.id, p.order_id, p.status, p.gateway, c.outcome IS NULL AS in_checkout, c.context ->> 'gateway' AS asked_gateway,
       c.context ->> 'payment_id' = p.id::text AS is_latest
  FROM payments p JOIN checkouts c ON c.order_id = p.order_id
 WHERE p.id = %(payment_id)s::uuid
"""

BY_REFERENCE = "SELECT id FROM payments WHERE gateway = %(gateway)s AND gateway_reference = %(reference)s"

ADD_ATTEMPT = """
INSERT INTO payment_attempts (id, payment_id, gateway, outcome, region, method, decided_at)
VALUES (%(id)s, %(payment_id)s, %(gateway)s, %(outcome)s, %(region)s, %(method)s, %(real_now)s)
"""

GATEWAY_RULES = """
SELECT gateway, method, currency, countries, excluded_countries, token_prefixes, least_amount, greatest_amount,
       greatest_risk, fee_share, fee_fixed, loss_share
  FROM gateway_rules ORDER BY gateway, method, currency
"""

# How the gateways did of late, from our own attempts. A decline is the issuer's word and says nothing of the gateway.
RECENT_OUTCOMES = """
WITH recent AS (
    SELECT order_id, gateway FROM payments
     WHERE id > %(first_id)s AND gateway_reference IS NOT NULL AND status NOT IN ('pending', 'failed')
     ORDER BY id DESC LIMIT %(limit)s
), outcome AS (
    SELECT r.gateway, c.context ->> 'payment_region' AS region, c.context ->> 'paid_by' AS method, 1 AS succeeded
      FROM recent r JOIN checkouts c ON c.order_id = r.order_id
     WHERE c.context ? 'payment_region'
    UNION ALL
    (SELECT gateway, region, method, 0 FROM payment_attempts
      WHERE id > %(first_id)s ORDER BY id DESC LIMIT %(limit)s)
)
SELECT gateway, region, method, count(*)::float8 AS attempts, sum(succeeded)::float8 AS successes
  FROM outcome GROUP BY gateway, region, method
"""
