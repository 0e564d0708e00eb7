"""SQL of carts. An owner is an account or, for a guest, a session; exactly one of the two parameters is set.

A cart holds products of one currency, so that its total is one amount.
"""

from __future__ import annotations

CART = """
SELECT json_build_object(
           'cart_id', c.id, 'currency', min(p.currency), 'total',
           coalesce(money_text(sum(round(p.price * i.quantity, currency_decimals(p.currency))), min(p.currency)), '0.00'),
           'items', coalesce(json_agg(json_build_object(
               'item_id', i.id, 'product_id', p.id, 'sku', p.sku, 'title', p.title, 'quantity', i.quantity,
               'unit_price', money_text(p.price, p.currency),
               'price_when_added', money_text(i.price_seen, p.currency),
               'total', money_text(p.price * i.quantity, p.currency),
               'available', p.status = 'active' AND EXISTS (
                   SELECT FROM stock s WHERE s.product_id = p.id AND s.available >= i.quantity))
               ORDER BY i.id) FILTER (WHERE i.id IS NOT NULL), '[]'))::text
  FROM carts c LEFT JOIN cart_items i ON i.cart_id = c.id LEFT JOIN products p ON p.id = i.product_id
 WHERE c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text
 GROUP BY c.id
"""

_ADD = """
WITH product AS (
    SELECT p.id, p.sku, p.price FROM products p
     WHERE p.id = %(product_id)s AND p.status = 'active'
       AND NOT EXISTS (SELECT FROM carts c JOIN cart_items i ON i.cart_id = c.id JOIN products q ON q.id = i.product_id
                        WHERE (c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text) AND q.currency <> p.currency)
), cart AS (
    INSERT INTO carts AS c (id, user_id, session, updated_at)
    SELECT %(cart_id)s, %(user_id)s::uuid, %(session)s::text, %(now)s FROM product
    ON CONFLICT ({owner}) DO UPDATE SET version = c.version + 1, updated_at = excluded.updated_at
    RETURNING id
)
INSERT INTO cart_items AS i (id, cart_id, product_id, sku, quantity, price_seen)
SELECT %(item_id)s, cart.id, product.id, product.sku, %(quantity)s, product.price FROM cart, product
ON CONFLICT (cart_id, sku) DO UPDATE SET quantity = i.quantity + excluded.quantity, price_seen = excluded.price_seen
      WHERE i.quantity + excluded.quantity <= %(most)s
RETURNING i.id
"""
ADD_TO_ACCOUNT = _ADD.replace("{owner}", "user_id")
ADD_TO_SESSION = _ADD.replace("{owner}", "session")

# Why nothing was added: no such product, not for sale, another currency, or too many.
WHY_NOT_ADDED = """
SELECT p.status, p.currency, (
           SELECT min(q.currency) FROM carts c JOIN cart_items i ON i.cart_id = c.id JOIN products q ON q.id = i.product_id
            WHERE c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text) AS cart_currency
  FROM products p WHERE p.id = %(product_id)s
"""

COUNT_ITEMS = """
SELECT count(*) AS items FROM cart_items i JOIN carts c ON c.id = i.cart_id
 WHERE (c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text) AND i.product_id <> %(product_id)s
"""

CHANGE_QUANTITY = """
WITH item AS (
    UPDATE cart_items i SET quantity = %(quantity)s, price_seen = p.price
      FROM carts c, products p
     WHERE i.id = %(item_id)s AND c.id = i.cart_id AND p.id = i.product_id
       AND (c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text)
    RETURNING i.cart_id
)
UPDATE carts SET version = version + 1, updated_at = %(now)s WHERE id IN (SELECT cart_id FROM item) RETURNING id
"""

REMOVE = """
WITH item AS (
    DELETE FROM cart_items i USING carts c
     WHERE i.id = %(item_id)s AND c.id = i.cart_id
       AND (c.user_id = %(user_id)s::uuid OR c.session = %(session)s::text)
    RETURNING i.cart_id
)
UPDATE carts SET version = version + 1, updated_at = %(now)s WHERE id IN (SELECT cart_id FROM item) RETURNING id
"""

# A guest logs in: what the session's cart holds joins the account's cart, unless that holds another currency.
ADOPT = """
WITH guest AS (
    SELECT id FROM carts WHERE session = %(session)s AND user_id IS NULL FOR UPDATE
), own AS (
    INSERT INTO carts AS c (id, user_id, updated_at) SELECT %(cart_id)s, %(user_id)s, %(now)s FROM guest
    ON CONFLICT (user_id) DO UPDATE SET version = c.version + 1, updated_at = excluded.updated_at
    RETURNING id
), moved AS (
    INSERT INTO cart_items AS i (id, cart_id, product_id, sku, quantity, price_seen)
    SELECT gen_random_uuid(), own.id, g.product_id, g.sku, g.quantity, g.price_seen
      FROM guest JOIN cart_items g ON g.cart_id = guest.id JOIN products p ON p.id = g.product_id, own
     WHERE NOT EXISTS (SELECT FROM carts c JOIN cart_items o ON o.cart_id = c.id JOIN products q ON q.id = o.product_id
                        WHERE c.user_id = %(user_id)s AND q.currency <> p.currency)
    ON CONFLICT (cart_id, sku) DO UPDATE SET quantity = least(i.quantity + excluded.quantity, %(most)s)
)
DELETE FROM carts WHERE id IN (SELECT id FROM guest)
"""
