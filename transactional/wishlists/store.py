"""SQL of wishlists. A list's row is locked before what is on it; a cart is locked before either."""

from __future__ import annotations

# The account's default list, made where there is none; locked from here on. No row where there is no such account any more.
OPEN_DEFAULT = """
INSERT INTO wishlists AS w (id, user_id, name, is_default, created_at)
SELECT %(new_id)s, u.id, %(default_name)s, true, %(now)s FROM users u WHERE u.id = %(user_id)s
ON CONFLICT (user_id) WHERE is_default DO UPDATE SET is_default = true
RETURNING w.id
"""
LOCK = "SELECT id FROM wishlists WHERE id = %(wishlist_id)s AND user_id = %(user_id)s FOR NO KEY UPDATE"

_HEAD = """
'wishlist_id', w.id, 'name', w.name, 'is_default', w.is_default, 'share_token', w.share_token,
'items_count', (SELECT count(*) FROM wishlist_items i WHERE i.wishlist_id = w.id), 'created_at', iso_text(w.created_at)
"""
# A product that has variants can be had in as many pieces as they have together.
_ITEMS = """
'items', (SELECT coalesce(json_agg(json_build_object(
              'item_id', i.id, 'product_id', coalesce(p.parent_id, p.id),
              'variant_id', CASE WHEN p.parent_id IS NOT NULL THEN p.id END, 'sku', p.sku, 'title', p.title,
              'options', p.options, 'has_variants', p.has_variants, 'currency', p.currency,
              'price', money_text(p.price, p.currency), 'price_when_added', money_text(i.price_seen, p.currency),
              'price_change', money_text(p.price - i.price_seen, p.currency),
              'for_sale', p.status = 'active', 'available', offered.quantity > 0, 'available_quantity', offered.quantity,
              'added_at', iso_text(i.added_at)) ORDER BY i.id DESC), '[]')
            FROM wishlist_items i
            JOIN products p ON p.id = i.product_id
           CROSS JOIN LATERAL (
                 SELECT coalesce(sum(s.available), 0)::int AS quantity
                   FROM products v JOIN stock s ON s.sku = v.sku
                  WHERE p.status = 'active' AND v.status = 'active'
                    AND CASE WHEN p.has_variants THEN v.parent_id = p.id ELSE v.id = p.id END) AS offered
           WHERE i.wishlist_id = w.id)
"""
_SHOWN = "SELECT json_build_object({parts})::text AS body FROM wishlists w WHERE "
SHOW = _SHOWN.replace("{parts}", f"{_HEAD}, {_ITEMS}") + "w.id = %(wishlist_id)s AND w.user_id = %(user_id)s"
SHOW_DEFAULT = _SHOWN.replace("{parts}", f"{_HEAD}, {_ITEMS}") + "w.user_id = %(user_id)s AND w.is_default"
SHOW_SHARED = _SHOWN.replace("{parts}", f"'name', w.name, {_ITEMS}") + "w.share_token = %(share_token)s"
LIST = (
    "SELECT coalesce(json_agg(json_build_object({parts}) ORDER BY w.is_default DESC, w.id DESC), '[]')::text AS body"
    " FROM wishlists w WHERE w.user_id = %(user_id)s"
).replace("{parts}", _HEAD)

# The account is locked first, so that of two at once neither is one too many, nor both the default.
LOCK_ACCOUNT = "SELECT 1 FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE"
NO_DEFAULT = "UPDATE wishlists SET is_default = false WHERE user_id = %(user_id)s AND is_default"
MAKE = """
INSERT INTO wishlists (id, user_id, name, is_default, share_token, created_at)
SELECT %(wishlist_id)s, %(user_id)s, %(name)s, %(is_default)s OR count(*) = 0, %(share_token)s, %(now)s
  FROM wishlists WHERE user_id = %(user_id)s
HAVING count(*) < %(most_lists)s
RETURNING id
"""
CHANGE = """
UPDATE wishlists
   SET name = coalesce(%(name)s, name), is_default = is_default OR %(is_default)s,
       share_token = CASE WHEN %(shared)s::boolean IS NULL THEN share_token
                          WHEN %(shared)s THEN coalesce(share_token, %(share_token)s) END
 WHERE id = %(wishlist_id)s AND user_id = %(user_id)s
RETURNING id
"""
DELETE = "DELETE FROM wishlists WHERE id = %(wishlist_id)s AND user_id = %(user_id)s RETURNING is_default"

# What is on the list already stays as it is, with the price that it had.
ADD = """
INSERT INTO wishlist_items (id, wishlist_id, product_id, price_seen, added_at)
SELECT %(item_id)s, %(wishlist_id)s, p.id, p.price, %(now)s FROM products p
 WHERE p.id = %(product_id)s AND (SELECT count(*) FROM wishlist_items WHERE wishlist_id = %(wishlist_id)s) < %(most_items)s
ON CONFLICT (wishlist_id, product_id) DO NOTHING
RETURNING id
"""
# Why nothing was added.
FOUND = """
SELECT (SELECT count(*) FROM products WHERE id = %(product_id)s) AS products,
       (SELECT count(*) FROM wishlist_items WHERE wishlist_id = %(wishlist_id)s AND product_id = %(product_id)s) AS wished
"""
WISH = """
SELECT coalesce(p.parent_id, p.id) AS product_id, CASE WHEN p.parent_id IS NOT NULL THEN p.id END AS variant_id
  FROM wishlist_items i JOIN wishlists w ON w.id = i.wishlist_id JOIN products p ON p.id = i.product_id
 WHERE i.id = %(item_id)s AND w.user_id = %(user_id)s
"""
REMOVE = """
DELETE FROM wishlist_items i USING wishlists w
 WHERE i.id = %(item_id)s AND w.id = i.wishlist_id AND w.user_id = %(user_id)s
RETURNING i.id
"""
