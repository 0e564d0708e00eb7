"""SQL of the sandbox gateway's own books, which nothing of the core reads."""

from __future__ import annotations

# The key decides: a second request with the same key finds the first one's charge and only counts.
AUTHORIZE = """
INSERT INTO sandbox_gateway.charges AS c
       (gateway, reference, idempotency_key, merchant_reference, token, amount, currency, status, reason, answers_at)
SELECT gateway, reference, key, merchant_reference, token, amount, currency, status, reason,
       now() + make_interval(secs => answers_in)
  FROM jsonb_to_record(%(charge)s) AS asked (
       gateway text, reference text, key text, merchant_reference text, token text, amount numeric, currency text,
       status text, reason text, answers_in double precision)
ON CONFLICT (gateway, idempotency_key) DO UPDATE SET requests = c.requests + 1
RETURNING c.reference, c.status, c.reason, c.answers_at <= now() AS answered, c.requests
"""

FIND = """
SELECT reference, status, reason, answers_at <= now() AS answered
  FROM sandbox_gateway.charges WHERE gateway = %(gateway)s AND idempotency_key = %(key)s
"""

# A movement is decided once for its key, on the locked charge; for a repeat of the key nothing is answered here.
MOVE = """
WITH asked AS (
    SELECT * FROM unnest(%(keys)s::text[], %(kinds)s::text[], %(references)s::text[], %(amounts)s::numeric[])
        AS t (key, kind, reference, amount)
), charge AS (
    SELECT c.* FROM sandbox_gateway.charges c JOIN asked USING (reference)
     WHERE c.gateway = %(gateway)s ORDER BY c.reference FOR UPDATE OF c
), verdict AS (
    SELECT a.key, a.kind, a.amount, c.reference, c.status,
           CASE a.kind
               WHEN 'capture' THEN c.status = 'authorized' AND a.amount <= c.amount
               WHEN 'void' THEN c.status = 'authorized'
               ELSE c.status = 'captured' AND c.refunded + a.amount <= c.captured END AS accepted
      FROM asked a JOIN charge c USING (reference)
), movement AS (
    INSERT INTO sandbox_gateway.movements (idempotency_key, reference, kind, amount, status, reason)
    SELECT key, reference, kind, amount, CASE WHEN accepted THEN 'done' ELSE 'refused' END,
           CASE WHEN accepted THEN NULL ELSE 'charge_is_' || status END
      FROM verdict
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING idempotency_key, reference, kind, amount, status, reason
), changed AS (
    UPDATE sandbox_gateway.charges c
       SET status = CASE m.kind WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'voided' ELSE c.status END,
           captured = c.captured + CASE WHEN m.kind = 'capture' THEN m.amount ELSE 0 END,
           refunded = c.refunded + CASE WHEN m.kind = 'refund' THEN m.amount ELSE 0 END
      FROM movement m WHERE c.reference = m.reference AND m.status = 'done'
)
SELECT idempotency_key, status, reason FROM movement
"""

FIND_MOVEMENTS = """
SELECT idempotency_key, status, reason FROM sandbox_gateway.movements WHERE idempotency_key = ANY(%(keys)s)
"""

ADD_WEBHOOKS = """
INSERT INTO sandbox_gateway.webhooks (body, send_at)
SELECT %(body)s, now() + make_interval(secs => delay) FROM unnest(%(delays)s::double precision[]) AS delay
"""

# A webhook is gone once it was delivered; until then it is due again later, each time after a longer pause.
DUE_WEBHOOKS = """
UPDATE sandbox_gateway.webhooks w
   SET attempts = attempts + 1, send_at = now() + make_interval(secs => least(60, power(2, attempts)))
 WHERE id IN (SELECT id FROM sandbox_gateway.webhooks WHERE send_at <= now() AND attempts < 12
               ORDER BY send_at LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING id, body
"""

DELIVERED = "DELETE FROM sandbox_gateway.webhooks WHERE id = ANY(%(ids)s)"
