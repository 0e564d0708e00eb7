"""SQL of gift cards and store credit. Their rows are the last ones that a transaction locks, in the order of their ids.

Every statement that changes a balance writes the same movement to the ledger, so that the ledger's sums are the balances.
"""

from __future__ import annotations

_VALUE = (
    "s.id, s.kind, s.code_hash, s.code_end, s.currency, s.available, s.held, s.expires_at, s.ended_at, s.created_at"
)

# Those of the named cards, and the account's credit where it is to be used.
FIND = f"""
SELECT {_VALUE} FROM stored_values s
 WHERE s.code_hash = ANY(%(code_hashes)s::text[])
    OR (s.kind = 'store_credit' AND s.user_id = %(user_id)s::uuid AND s.currency = %(currency)s)
"""

# All or nothing: rows are locked in order, and what they have is looked at again.
HOLD = """
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(amounts)s::numeric[]) AS t (id, amount)
), locked AS (
    SELECT s.id, w.amount FROM stored_values s JOIN wanted w ON w.id = s.id
     WHERE s.available >= w.amount AND s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
     ORDER BY s.id FOR UPDATE OF s
), enough AS (
    SELECT 1 FROM locked HAVING count(*) = cardinality(%(ids)s::uuid[])
), held AS (
    UPDATE stored_values s SET available = s.available - l.amount, held = s.held + l.amount
      FROM locked l, enough WHERE s.id = l.id
    RETURNING s.id, l.amount
), noted AS (
    INSERT INTO stored_value_holds AS h (order_id, stored_value_id, amount, status)
    SELECT %(order_id)s, id, amount, 'held' FROM held
    ON CONFLICT (order_id, stored_value_id) DO UPDATE SET amount = excluded.amount, status = 'held'
), ledger AS (
    INSERT INTO stored_value_ledger (stored_value_id, debit, credit, amount, order_id, occurred_at)
    SELECT id, 'available', 'held', amount, %(order_id)s, %(now)s FROM held
)
SELECT count(*) AS held FROM held
"""

HOLDS = """
SELECT stored_value_id AS id, amount FROM stored_value_holds
 WHERE order_id = %(order_id)s AND status = 'given_back' ORDER BY stored_value_id
"""

# The order is confirmed: what it holds is spent. A second time changes nothing.
CAPTURE = """
WITH locked AS (
    SELECT s.id, h.amount FROM stored_values s JOIN stored_value_holds h ON h.stored_value_id = s.id
     WHERE h.order_id = %(order_id)s AND h.status = 'held' ORDER BY s.id FOR UPDATE
), captured AS (
    UPDATE stored_value_holds h SET status = 'captured' FROM locked l
     WHERE h.order_id = %(order_id)s AND h.stored_value_id = l.id
), spent AS (
    UPDATE stored_values s SET held = s.held - l.amount FROM locked l WHERE s.id = l.id
)
INSERT INTO stored_value_ledger (stored_value_id, debit, credit, amount, order_id, occurred_at)
SELECT id, 'held', 'spent', amount, %(order_id)s, %(now)s FROM locked
"""

# The order failed or was cancelled: what it holds or has spent can be spent again. A second time changes nothing.
GIVE_BACK = """
WITH locked AS (
    SELECT s.id, h.amount, h.status FROM stored_values s JOIN stored_value_holds h ON h.stored_value_id = s.id
     WHERE h.order_id = %(order_id)s AND h.status IN ('held', 'captured') ORDER BY s.id FOR UPDATE
), noted AS (
    UPDATE stored_value_holds h SET status = 'given_back' FROM locked l
     WHERE h.order_id = %(order_id)s AND h.stored_value_id = l.id
), back AS (
    UPDATE stored_values s SET available = s.available + l.amount,
           held = s.held - CASE l.status WHEN 'held' THEN l.amount ELSE 0 END
      FROM locked l WHERE s.id = l.id
)
INSERT INTO stored_value_ledger (stored_value_id, debit, credit, amount, order_id, occurred_at)
SELECT id, CASE status WHEN 'held' THEN 'held' ELSE 'spent' END, 'available', amount, %(order_id)s, %(now)s FROM locked
"""

ISSUE_CARD = f"""
WITH s AS (
    INSERT INTO stored_values (id, kind, code_hash, code_end, currency, available, expires_at, created_by, created_at)
    VALUES (%(id)s, 'gift_card', %(code_hash)s, %(code_end)s, %(currency)s, %(amount)s, %(expires_at)s, %(actor)s,
            %(now)s)
    ON CONFLICT (code_hash) DO NOTHING
    RETURNING *
), ledger AS (
    INSERT INTO stored_value_ledger (stored_value_id, debit, credit, amount, reference, actor, occurred_at)
    SELECT id, 'issued', 'available', available, %(reference)s::uuid, %(actor)s, %(now)s FROM s
)
SELECT {_VALUE} FROM s
"""

# Nothing for a reference that has issued already.
ISSUE_CREDIT = f"""
WITH s AS (
    INSERT INTO stored_values AS v (id, kind, user_id, currency, available, created_by, created_at)
    SELECT %(id)s, 'store_credit', u.id, %(currency)s, %(amount)s, %(actor)s, %(now)s FROM users u
     WHERE u.id = %(user_id)s AND NOT EXISTS (SELECT FROM stored_value_ledger WHERE reference = %(reference)s::uuid)
    ON CONFLICT (user_id, currency) WHERE kind = 'store_credit'
    DO UPDATE SET available = v.available + excluded.available
    RETURNING *
), ledger AS (
    INSERT INTO stored_value_ledger (stored_value_id, debit, credit, amount, reference, actor, occurred_at)
    SELECT id, 'issued', 'available', %(amount)s, %(reference)s::uuid, %(actor)s, %(now)s FROM s
)
SELECT {_VALUE} FROM s
"""

ISSUED = f"""
SELECT {_VALUE}, s.user_id, l.amount AS issued
  FROM stored_value_ledger l JOIN stored_values s ON s.id = l.stored_value_id WHERE l.reference = %(reference)s
"""

USER_EXISTS = "SELECT 1 AS found FROM users WHERE id = %(user_id)s"

CARD = f"SELECT {_VALUE} FROM stored_values s WHERE s.id = %(id)s AND s.kind = 'gift_card'"

END = f"""
UPDATE stored_values s SET ended_at = %(now)s WHERE s.id = %(id)s AND s.kind = 'gift_card' AND s.ended_at IS NULL
RETURNING {_VALUE}
"""

LEDGER = """
SELECT debit, credit, amount, order_id, actor, occurred_at FROM stored_value_ledger
 WHERE stored_value_id = %(id)s ORDER BY id
"""

CREDIT = """
SELECT currency, available, held FROM stored_values WHERE user_id = %(user_id)s AND kind = 'store_credit'
 ORDER BY currency
"""

# Stored values whose ledger does not add up to what they have.
LEDGER_DIFFERENCES = """
SELECT s.id, s.available, s.held, sum(l.available) AS ledger_available, sum(l.held) AS ledger_held
  FROM stored_values s
  LEFT JOIN LATERAL (
       SELECT coalesce(sum(CASE WHEN credit = 'available' THEN amount WHEN debit = 'available' THEN -amount END), 0)
                  AS available,
              coalesce(sum(CASE WHEN credit = 'held' THEN amount WHEN debit = 'held' THEN -amount END), 0) AS held
         FROM stored_value_ledger WHERE stored_value_id = s.id) l ON true
 GROUP BY s.id
HAVING s.available <> sum(l.available) OR s.held <> sum(l.held)
"""
