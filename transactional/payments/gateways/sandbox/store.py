"""SQL of the sandbox gateway's own books, which nothing of the core reads."""

from __future__ import annotations

# The key decides: a second request with the same key finds the first one's charge and only counts.
AUTHORIZE = """
INSERT INTO sandbox_gateway.charges AS c
       (gateway, reference, idempotency_key, merchant_reference, token, amount, currency, status, reason, answers_at)
VALUES (%(gateway)s, %(reference)s, %(key)s, %(merchant_reference)s, %(token)s, %(amount)s, %(currency)s, %(status)s,
        %(reason)s, now() + make_interval(secs => %(answers_in)s))
ON CONFLICT (gateway, idempotency_key) DO UPDATE SET requests = c.requests + 1
RETURNING c.reference, c.status, c.reason, c.answers_at <= now() AS answered, c.requests
"""

FIND = """
SELECT reference, status, reason, answers_at <= now() AS answered
  FROM sandbox_gateway.charges WHERE gateway = %(gateway)s AND idempotency_key = %(key)s
"""

# A movement is decided once for its key, on the locked charge; a repeat of the key gets the first answer.
MOVE = """
WITH charge AS (
    SELECT * FROM sandbox_gateway.charges WHERE gateway = %(gateway)s AND reference = %(reference)s FOR UPDATE
), verdict AS (
    SELECT reference, CASE %(kind)s
               WHEN 'capture' THEN status = 'authorized' AND %(amount)s <= amount
               WHEN 'void' THEN status = 'authorized'
               ELSE status = 'captured' AND refunded + %(amount)s <= captured END AS accepted, status
      FROM charge
), movement AS (
    INSERT INTO sandbox_gateway.movements (idempotency_key, reference, kind, amount, status, reason)
    SELECT %(key)s, reference, %(kind)s, %(amount)s, CASE WHEN accepted THEN 'done' ELSE 'refused' END,
           CASE WHEN accepted THEN NULL ELSE 'charge_is_' || status END
      FROM verdict
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING reference, status, reason
), changed AS (
    UPDATE sandbox_gateway.charges c
       SET status = CASE %(kind)s WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'voided' ELSE c.status END,
           captured = c.captured + CASE WHEN %(kind)s = 'capture' THEN %(amount)s ELSE 0 END,
           refunded = c.refunded + CASE WHEN %(kind)s = 'refund' THEN %(amount)s ELSE 0 END
      FROM movement m WHERE c.reference = m.reference AND m.status = 'done'
)
SELECT status, reason FROM movement
"""

FIND_MOVEMENT = "SELECT status, reason FROM sandbox_gateway.movements WHERE idempotency_key = %(key)s"

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
