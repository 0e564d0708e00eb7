"""SQL of sellers.

Locks are taken in this order: accounts, their ties, sellers, products. Who changes products holds tie and seller
FOR SHARE until they commit, so that untying and suspending wait for what is under way and hold for all that comes after.
"""

from __future__ import annotations

# Whom an account acts for.
OWN = """
SELECT s.code, s.display_name, s.status, s.created_at, s.version
  FROM seller_people p JOIN sellers s ON s.code = p.seller WHERE p.user_id = %(user_id)s
"""
LOCK_OWN = OWN + " FOR SHARE"

STANDING = "SELECT code, status FROM sellers WHERE code = ANY(%(codes)s) ORDER BY code FOR SHARE"

# Named by products of whoever manages the shop: they are sellers from then on, and whoever knows their name gives it later.
ADD_UNKNOWN = """
INSERT INTO sellers (code, display_name, status, created_at)
SELECT code, code, 'active', %(now)s FROM unnest(%(codes)s::text[]) AS code ORDER BY code
ON CONFLICT (code) DO NOTHING
RETURNING code, status, version
"""

APPLY = """
INSERT INTO sellers (code, display_name, status, created_at) VALUES (%(code)s, %(display_name)s, 'pending', %(now)s)
ON CONFLICT (code) DO NOTHING
RETURNING code, display_name, status, created_at, version
"""
LOCK_ACCOUNT = "SELECT role, email_verified_at FROM users WHERE id = %(user_id)s FOR UPDATE"
TIE = """
INSERT INTO seller_people (user_id, seller, tied_at) VALUES (%(user_id)s, %(code)s, %(now)s)
ON CONFLICT (user_id) DO NOTHING RETURNING user_id
"""
TIED_TO = "SELECT seller FROM seller_people WHERE user_id = %(user_id)s"
UNTIE = "DELETE FROM seller_people WHERE user_id = %(user_id)s AND seller = %(code)s RETURNING user_id"
UNTIE_ALL = "DELETE FROM seller_people WHERE seller = %(code)s RETURNING user_id"
LOCK_ACCOUNTS = """
SELECT id FROM users WHERE id IN (SELECT user_id FROM seller_people WHERE seller = %(code)s) ORDER BY id FOR UPDATE
"""
PEOPLE = """
SELECT p.user_id, u.role, p.tied_at FROM seller_people p JOIN users u ON u.id = p.user_id
 WHERE p.seller = %(code)s ORDER BY p.user_id
"""

ONE = "SELECT code, display_name, status, created_at, version FROM sellers WHERE code = %(code)s"
LOCK = ONE + " FOR NO KEY UPDATE"
LOCK_TO_REMOVE = ONE + " FOR UPDATE"
SHARE = ONE + " FOR SHARE"
# Of a locked seller. Products follow where they were to be shown and are not any more, or the other way round.
CHANGE = """
UPDATE sellers SET display_name = coalesce(%(display_name)s, display_name), status = coalesce(%(status)s, status),
       is_settled = is_settled AND coalesce(%(status)s, status) = status, version = version + 1
 WHERE code = %(code)s
RETURNING code, display_name, status, created_at, version
"""
HAS_PRODUCTS = "SELECT EXISTS (SELECT FROM products WHERE seller = %(code)s)"
REMOVE = "DELETE FROM sellers WHERE code = %(code)s"

LIST = """
SELECT code, display_name, status, created_at, version FROM sellers
 WHERE (%(status)s::text IS NULL OR status = %(status)s) AND code > %(after)s ORDER BY code LIMIT %(limit)s
"""

# As everybody sees it: while it sells.
SHOWN = """
SELECT json_build_object(
           'code', s.code, 'display_name', s.display_name,
           'products', (SELECT count(*) FROM products p
                         WHERE p.seller = s.code AND p.status = 'active' AND p.parent_id IS NULL),
           'since', iso_text(s.created_at))::text
  FROM sellers s WHERE s.code = %(code)s AND s.status = 'active'
"""

# One worker at a time brings products into line with their seller; it holds the seller as who changes products does.
ALONE = "SELECT pg_try_advisory_xact_lock(7316498203)"
TO_SETTLE = "SELECT code, status FROM sellers WHERE NOT is_settled ORDER BY code LIMIT 1 FOR SHARE"
TO_HIDE = """
SELECT id FROM products WHERE seller = %(code)s AND parent_id IS NULL AND status = 'active' ORDER BY id LIMIT %(limit)s
"""
TO_SHOW = """
SELECT id FROM products WHERE seller = %(code)s AND parent_id IS NULL AND status = 'inactive' AND own_status = 'active'
 ORDER BY id LIMIT %(limit)s
"""
# Those that are still the seller's once they are locked. What is sold in the order of ids, as price changes lock it, then the
# products that have variants.
LOCK_FAMILIES = """
SELECT id FROM products WHERE (id = ANY(%(ids)s) OR parent_id = ANY(%(ids)s)) AND seller = %(code)s
 ORDER BY has_variants, id FOR NO KEY UPDATE
"""
# The strictest of what a row was set to, what its product was set to, and what its seller's status allows.
FOLLOW = """
WITH strict AS (
    SELECT p.id, CASE WHEN 'discontinued' IN (p.own_status, o.own_status) THEN 'discontinued'
                      WHEN %(is_hidden)s OR 'inactive' IN (p.own_status, o.own_status) THEN 'inactive'
                      ELSE 'active' END AS status
      FROM products p JOIN products o ON o.id = coalesce(p.parent_id, p.id)
     WHERE p.id = ANY(%(ids)s)
)
UPDATE products p SET status = s.status, version = p.version + 1, updated_at = %(now)s
  FROM strict s WHERE p.id = s.id AND p.status <> s.status
RETURNING p.id
"""
SETTLED = "UPDATE sellers SET is_settled = true WHERE code = %(code)s"
