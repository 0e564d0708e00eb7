"""SQL of carts. An owner is an account or, for a guest, a session; exactly one of the two parameters is set.

A cart is ordered in one currency, so that its total is one amount. The cart's row is locked before its lines and their soft
reservations, which no statement of ours locks without it but the expiry, and that skips what is locked. A line's
soft reservation has the line's id.
"""

from __future__ import annotations

# Of the stock, a line is shown what one warehouse can send, less what other carts took before it. Who holds nothing (any
# longer) stands behind all who do. A saved line takes part in neither the total nor the currency. What the shopper is
# shown is noted where it is another than at their last look, so that the next look can tell what changed; SKIP LOCKED,
# because looking does not lock the cart and must wait for nobody.
CART = """
WITH cart AS (
    SELECT id, updated_at FROM carts WHERE user_id = %(user_id)s::uuid OR session = %(session)s::text
), line AS (
    SELECT i.id, i.quantity, i.saved_for_later, i.price_seen, i.price_shown, i.available_shown, p.id AS product_id,
           p.sku, p.title, p.currency, p.price, own.expires_at AS held_until,
           CASE WHEN p.status = 'active' THEN stocked.quantity ELSE 0 END AS available
      FROM cart
      JOIN cart_items i ON i.cart_id = cart.id
      JOIN products p ON p.id = i.product_id
      LEFT JOIN reservations own ON own.id = i.id AND own.level = 'soft' AND own.expires_at > %(now)s
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(r.quantity), 0) AS quantity FROM reservations r
            WHERE r.sku = i.sku AND r.level = 'soft' AND r.expires_at > %(now)s AND r.id <> i.id
              AND (own.id IS NULL OR (r.expires_at, r.id) < (own.expires_at, own.id))) AS before
     CROSS JOIN LATERAL (
           SELECT coalesce(greatest(least(max(s.available), sum(s.available) - before.quantity), 0), 0)::int AS quantity
             FROM stock s WHERE s.sku = i.sku) AS stocked
), another AS (
    SELECT i.id, l.price, l.available FROM cart_items i JOIN line l USING (id)
     WHERE i.price_shown IS DISTINCT FROM l.price OR i.available_shown IS NULL
        OR least(i.available_shown, i.quantity) <> least(l.available, i.quantity)
       FOR NO KEY UPDATE OF i SKIP LOCKED
), noted AS (
    UPDATE cart_items i SET price_shown = a.price, available_shown = a.available FROM another a WHERE i.id = a.id
), shown AS (
    SELECT id, saved_for_later, json_build_object(
               'item_id', id, 'product_id', product_id, 'sku', sku, 'title', title, 'quantity', quantity,
               'unit_price', money_text(price, currency), 'price_when_added', money_text(price_seen, currency),
               'previous_unit_price', CASE WHEN price_shown <> price THEN money_text(price_shown, currency) END,
               'total', money_text(price * quantity, currency),
               'available', available >= quantity, 'available_quantity', available,
               'previous_available_quantity',
               CASE WHEN least(available_shown, quantity) <> least(available, quantity) THEN available_shown END,
               'held_until', iso_text(held_until)) AS item
      FROM line
)
SELECT json_build_object(
           'cart_id', cart.id,
           'currency', (SELECT min(currency) FROM line WHERE NOT saved_for_later),
           'total', coalesce((SELECT money_text(sum(round(price * quantity, currency_decimals(currency))), min(currency))
                                FROM line WHERE NOT saved_for_later), '0.00'),
           'items', coalesce((SELECT json_agg(item ORDER BY id) FROM shown WHERE NOT saved_for_later), '[]'),
           'saved_for_later', coalesce((SELECT json_agg(item ORDER BY id) FROM shown WHERE saved_for_later), '[]'),
           'expires_at', iso_text(cart.updated_at + %(lifetime)s))::text
  FROM cart
"""

# The owner's cart, made where there is none yet; locked from here on.
_OPEN = """
INSERT INTO carts AS c (id, user_id, session, updated_at)
VALUES (%(cart_id)s, %(user_id)s::uuid, %(session)s::text, %(now)s)
ON CONFLICT ({owner}) DO UPDATE SET version = c.version + 1, updated_at = excluded.updated_at
RETURNING id
"""
OPEN_OF_ACCOUNT = _OPEN.replace("{owner}", "user_id")
OPEN_OF_SESSION = _OPEN.replace("{owner}", "session")

# The locked cart of a line.
LOCK_OF_ITEM = """
UPDATE carts c SET version = c.version + 1, updated_at = %(now)s FROM cart_items i
 WHERE i.id = %(item_id)s AND c.id = i.cart_id
   AND (c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text)
RETURNING c.id
"""

# A product joins the cart, or more of it does; a saved line comes back with the quantity that is asked for now.
ADD = """
WITH product AS (
    SELECT p.id, p.sku, p.price FROM products p
     WHERE p.id = %(product_id)s AND p.status = 'active' AND NOT p.has_variants
       AND NOT EXISTS (SELECT FROM cart_items i JOIN products q ON q.id = i.product_id
                        WHERE i.cart_id = %(cart_id)s AND NOT i.saved_for_later AND q.currency <> p.currency)
       AND (SELECT count(*) FROM cart_items i
             WHERE i.cart_id = %(cart_id)s AND NOT i.saved_for_later AND i.product_id <> p.id) < %(most_items)s
), line AS (
    INSERT INTO cart_items AS i (id, cart_id, product_id, sku, quantity, price_seen)
    SELECT %(item_id)s, %(cart_id)s, product.id, product.sku, %(quantity)s, product.price FROM product
    ON CONFLICT (cart_id, sku) DO UPDATE
       SET quantity = CASE WHEN i.saved_for_later THEN 0 ELSE i.quantity END + excluded.quantity,
           price_seen = excluded.price_seen, saved_for_later = false, available_shown = NULL
     WHERE i.saved_for_later OR i.quantity + excluded.quantity <= %(most)s
    RETURNING i.id, i.sku, i.product_id, i.quantity
)
INSERT INTO reservations AS r (id, sku, product_id, quantity, level, expires_at)
SELECT id, sku, product_id, quantity, 'soft', %(held_until)s FROM line
ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at WHERE r.level = 'soft'
RETURNING r.id
"""

# Why nothing was added: no such product, not for sale, another currency, too many products, or too many of it.
WHY_NOT_ADDED = """
SELECT p.status, p.currency,
       (SELECT min(q.currency) FROM cart_items i JOIN products q ON q.id = i.product_id
         WHERE i.cart_id = %(cart_id)s AND NOT i.saved_for_later) AS cart_currency,
       (SELECT count(*) FROM cart_items i
         WHERE i.cart_id = %(cart_id)s AND NOT i.saved_for_later AND i.product_id <> p.id) AS items
  FROM products p WHERE p.id = %(product_id)s
"""

# What a saved line is of, so that the reason can be told why it does not come back.
PRODUCT_OF_ITEM = "SELECT product_id FROM cart_items WHERE id = %(item_id)s AND cart_id = %(cart_id)s"

CHANGE_QUANTITY = """
WITH line AS (
    UPDATE cart_items SET quantity = %(quantity)s, available_shown = NULL
     WHERE id = %(item_id)s AND cart_id = %(cart_id)s
    RETURNING id, sku, product_id, quantity, saved_for_later
), held AS (
    INSERT INTO reservations AS r (id, sku, product_id, quantity, level, expires_at)
    SELECT id, sku, product_id, quantity, 'soft', %(held_until)s FROM line WHERE NOT saved_for_later
    ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at WHERE r.level = 'soft'
)
SELECT id FROM line
"""

REMOVE = """
WITH line AS (
    DELETE FROM cart_items WHERE id = %(item_id)s AND cart_id = %(cart_id)s RETURNING id
), free AS (
    DELETE FROM reservations r USING line WHERE r.id = line.id AND r.level = 'soft'
)
SELECT id FROM line
"""

SAVE_FOR_LATER = """
WITH line AS (
    UPDATE cart_items i SET saved_for_later = true, available_shown = NULL
     WHERE i.id = %(item_id)s AND i.cart_id = %(cart_id)s
       AND (i.saved_for_later OR (SELECT count(*) FROM cart_items o
                                   WHERE o.cart_id = i.cart_id AND o.saved_for_later) < %(most_items)s)
    RETURNING i.id
), free AS (
    DELETE FROM reservations r USING line WHERE r.id = line.id AND r.level = 'soft'
)
SELECT id FROM line
"""

MOVE_TO_CART = """
WITH line AS (
    UPDATE cart_items i SET saved_for_later = false, available_shown = NULL
      FROM products p
     WHERE i.id = %(item_id)s AND i.cart_id = %(cart_id)s AND p.id = i.product_id AND p.status = 'active'
       AND NOT EXISTS (SELECT FROM cart_items o JOIN products q ON q.id = o.product_id
                        WHERE o.cart_id = %(cart_id)s AND NOT o.saved_for_later AND q.currency <> p.currency)
       AND (SELECT count(*) FROM cart_items o
             WHERE o.cart_id = %(cart_id)s AND NOT o.saved_for_later AND o.id <> i.id) < %(most_items)s
    RETURNING i.id, i.sku, i.product_id, i.quantity
), held AS (
    INSERT INTO reservations AS r (id, sku, product_id, quantity, level, expires_at)
    SELECT id, sku, product_id, quantity, 'soft', %(held_until)s FROM line
    ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at WHERE r.level = 'soft'
)
SELECT id FROM line
"""

LOCK_GUEST = "SELECT id FROM carts WHERE session = %(session)s AND user_id IS NULL FOR UPDATE"

LINES = """
SELECT i.id, i.sku, i.quantity, i.saved_for_later, p.currency
  FROM cart_items i JOIN products p ON p.id = i.product_id WHERE i.cart_id = %(cart_id)s ORDER BY i.id
"""

# A guest's lines join the account's cart as they were planned, and their soft reservations with them; what is absorbed
# goes with the guest's cart.
MERGE = """
WITH planned AS (
    SELECT * FROM unnest(%(item_ids)s::uuid[], %(quantities)s::int[], %(saved)s::boolean[])
        AS t (id, quantity, saved_for_later)
), line AS (
    UPDATE cart_items i SET cart_id = %(cart_id)s, quantity = t.quantity, saved_for_later = t.saved_for_later,
           available_shown = CASE WHEN i.quantity = t.quantity THEN i.available_shown END
      FROM planned t WHERE i.id = t.id
    RETURNING i.id, i.sku, i.product_id, i.quantity, i.saved_for_later
), held AS (
    INSERT INTO reservations AS r (id, sku, product_id, quantity, level, expires_at)
    SELECT id, sku, product_id, quantity, 'soft', %(held_until)s FROM line WHERE NOT saved_for_later
    ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at WHERE r.level = 'soft'
)
DELETE FROM reservations r
 WHERE r.level = 'soft' AND (r.id = ANY(%(absorbed)s::uuid[]) OR r.id IN (SELECT id FROM line WHERE saved_for_later))
"""

DELETE_CART = "DELETE FROM carts WHERE id = %(cart_id)s"

# Carts without a change for too long go, and what they hold; a member's saved lines stay. SKIP LOCKED, so that several
# workers share the work and nobody waits for who is just ordering.
EXPIRE = """
WITH old AS (
    SELECT c.id, c.user_id IS NOT NULL AND EXISTS (
               SELECT FROM cart_items i WHERE i.cart_id = c.id AND i.saved_for_later) AS keeps
      FROM carts c WHERE c.updated_at <= %(before)s
     ORDER BY c.updated_at LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
), free AS (
    DELETE FROM reservations r USING old, cart_items i
     WHERE i.cart_id = old.id AND r.id = i.id AND r.level = 'soft'
), emptied AS (
    DELETE FROM cart_items i USING old WHERE i.cart_id = old.id AND old.keeps AND NOT i.saved_for_later
), kept AS (
    UPDATE carts c SET version = c.version + 1, updated_at = %(now)s FROM old WHERE c.id = old.id AND old.keeps
), gone AS (
    DELETE FROM carts c USING old WHERE c.id = old.id AND NOT old.keeps
)
SELECT count(*) AS expired FROM old
"""
