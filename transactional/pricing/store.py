"""SQL of prices, proposals and the price history. Product rows are locked in the order of their ids."""

from __future__ import annotations

QUOTED = """
SELECT id, base_price, price, price_factor, price_proposal_id, currency FROM products
 WHERE id = ANY(%(product_ids)s) AND status = 'active'
"""

LOCK_PRODUCTS = """
SELECT id, base_price, price, price_factor, currency, version FROM products
 WHERE id = ANY(%(product_ids)s) AND NOT has_variants ORDER BY id FOR UPDATE
"""

# New prices of locked products, their audit and their events, in one statement. The versions are those that the
# events carry.
SET_PRICES = """
WITH new AS (
    SELECT * FROM unnest(%(product_ids)s::uuid[], %(base_prices)s::numeric[], %(prices)s::numeric[],
                         %(factors)s::double precision[], %(reasons)s::text[], %(proposal_ids)s::uuid[],
                         %(versions)s::bigint[])
        AS t (product_id, base_price, price, factor, reason, proposal_id, version)
), changed AS (
    UPDATE products p SET base_price = n.base_price, price = n.price, price_factor = n.factor,
           price_proposal_id = n.proposal_id, version = n.version, updated_at = %(now)s
      FROM new n WHERE p.id = n.product_id
    RETURNING p.id, n.base_price, n.price, n.factor, n.reason, n.proposal_id, n.version
), history AS (
    INSERT INTO price_history (product_id, valid_from, version, base_price, price, factor, reason, proposal_id, actor)
    SELECT id, %(now)s, version, base_price, price, factor, reason, proposal_id, %(actor)s FROM changed
)
INSERT INTO outbox (partition, envelope) SELECT * FROM unnest(%(partitions)s::smallint[], %(envelopes)b::text[])
"""

SUPERSEDE = """
UPDATE price_proposals SET status = 'superseded', decided_at = %(now)s, decided_by = %(actor)s
 WHERE product_id = ANY(%(product_ids)s) AND status = 'pending'
"""

ADD_PROPOSALS = """
INSERT INTO price_proposals (id, product_id, factor, current_price, proposed_price, reasons, model_version, status,
                             created_at, decided_at, decided_by)
SELECT t.id, t.product_id, t.factor, t.current_price, t.proposed_price, t.reasons, %(model_version)s, t.status, %(now)s,
       CASE WHEN t.status = 'approved' THEN %(now)s::timestamptz END, CASE WHEN t.status = 'approved' THEN 'policy' END
  FROM unnest(%(ids)s::uuid[], %(product_ids)s::uuid[], %(factors)s::double precision[], %(current_prices)s::numeric[],
              %(proposed_prices)s::numeric[], %(reasons)s::jsonb[], %(statuses)s::text[])
    AS t (id, product_id, factor, current_price, proposed_price, reasons, status)
"""

PROPOSALS = """
SELECT r.id, r.product_id, p.sku, p.title, p.currency, p.base_price, p.price AS price_now, r.factor, r.current_price,
       r.proposed_price, r.reasons, r.model_version, r.status, r.created_at, r.decided_at, r.decided_by
  FROM price_proposals r JOIN products p ON p.id = r.product_id
 WHERE (%(status)s::text IS NULL OR r.status = %(status)s::text)
   AND (%(before)s::timestamptz IS NULL OR (r.created_at, r.id) < (%(before)s::timestamptz, %(before_id)s::uuid))
 ORDER BY r.created_at DESC, r.id DESC LIMIT %(limit)s
"""

PRODUCT_OF_PROPOSAL = "SELECT product_id FROM price_proposals WHERE id = %(proposal_id)s"

LOCK_PROPOSAL = """
SELECT id, product_id, factor, model_version, status FROM price_proposals WHERE id = %(proposal_id)s FOR UPDATE
"""

DECIDE = """
UPDATE price_proposals SET status = %(status)s, decided_at = %(now)s, decided_by = %(actor)s WHERE id = %(proposal_id)s
"""

HISTORY = """
SELECT h.valid_from, h.version, h.base_price, h.price, h.factor, h.reason, h.proposal_id, h.actor, p.currency
  FROM price_history h JOIN products p ON p.id = h.product_id
 WHERE h.product_id = %(product_id)s AND (%(below)s::bigint IS NULL OR h.version < %(below)s::bigint)
 ORDER BY h.version DESC LIMIT %(limit)s
"""

LOCK_PRODUCT = "SELECT id, currency, version FROM products WHERE id = %(product_id)s FOR UPDATE"

# Of a locked product; the version is the one that the event carries.
SET_CURRENCY_PRICE = """
WITH raised AS (
    UPDATE products SET version = version + 1, updated_at = %(now)s WHERE id = %(product_id)s RETURNING id
)
INSERT INTO product_prices (product_id, currency, price, updated_by, updated_at)
SELECT id, %(currency)s, %(price)s, %(actor)s, %(now)s FROM raised
ON CONFLICT (product_id, currency) DO UPDATE
   SET price = excluded.price, updated_by = excluded.updated_by, updated_at = excluded.updated_at
"""

# Asked for only where somebody pays in another currency than the products'.
PRICES_IN = """
SELECT product_id, price FROM product_prices WHERE product_id = ANY(%(product_ids)s) AND currency = %(currency)s
"""

# Of a locked product; nothing changes where there is no such price.
REMOVE_CURRENCY_PRICE = """
WITH removed AS (
    DELETE FROM product_prices WHERE product_id = %(product_id)s AND currency = %(currency)s RETURNING product_id
)
UPDATE products p SET version = p.version + 1, updated_at = %(now)s FROM removed r WHERE p.id = r.product_id RETURNING p.id
"""

PRODUCT_EXISTS = "SELECT 1 AS found FROM products WHERE id = %(product_id)s"
