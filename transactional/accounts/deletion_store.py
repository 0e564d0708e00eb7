"""SQL of deleting an account: what goes, and what stays without the person.

What refers to an account goes with its row or lets go of it, as the foreign keys say. Here stands what is more than that:
addresses in orders, what a checkout kept, tokens of payment methods. Histories, ledgers and the audit log are never changed:
they have never named a person.
"""

from __future__ import annotations

# What has not ended yet: somebody still sends it, or waits for it.
OPEN_ORDERS = """
SELECT id FROM orders
 WHERE user_id = %(user_id)s AND status NOT IN ('delivered', 'cancelled', 'failed') ORDER BY placed_at LIMIT 20
"""
ROLE = "SELECT role FROM users WHERE id = %(user_id)s"
# In one order: of two administrators who go at once, the second one sees that the first one goes.
LOCK_ADMINS = "SELECT id FROM users WHERE role = 'admin' ORDER BY id FOR NO KEY UPDATE"
OTHER_ADMIN = """
SELECT u.id FROM users u
 WHERE u.role = 'admin' AND u.id <> %(user_id)s
   AND NOT EXISTS (SELECT FROM account_deletions d
                    WHERE d.user_id = u.id AND (d.began_at IS NOT NULL OR %(even_asked)s))
 LIMIT 1
"""

# Programs that were about to get a session get none; letters stay, since one may be needed to log in and think again.
ASK = """
WITH codes AS (
    DELETE FROM oauth_codes WHERE user_id = %(user_id)s
), challenges AS (
    DELETE FROM login_challenges WHERE user_id = %(user_id)s
)
INSERT INTO account_deletions AS d (user_id, asked_at, due_at) VALUES (%(user_id)s, %(now)s, %(due_at)s)
ON CONFLICT (user_id) DO UPDATE SET due_at = least(d.due_at, excluded.due_at)
RETURNING due_at
"""

# One that is due, for as long as the lease lasts. SKIP LOCKED, so that several workers share the work.
TAKE_DUE = """
UPDATE account_deletions SET due_at = %(lease_until)s
 WHERE user_id = (SELECT user_id FROM account_deletions WHERE due_at <= %(now)s
                   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING user_id, began_at
"""
LOCK = "SELECT began_at FROM account_deletions WHERE user_id = %(user_id)s FOR UPDATE"
HOLD_BACK = """
UPDATE account_deletions SET began_at = NULL, held_back = %(reason)s, due_at = %(due_at)s WHERE user_id = %(user_id)s
"""
BEGIN = """
WITH codes AS (
    DELETE FROM oauth_codes WHERE user_id = %(user_id)s
), challenges AS (
    DELETE FROM login_challenges WHERE user_id = %(user_id)s
), letters AS (
    DELETE FROM account_tokens WHERE user_id = %(user_id)s
)
UPDATE account_deletions SET began_at = %(now)s, held_back = NULL, due_at = %(due_at)s WHERE user_id = %(user_id)s
"""

ERASE_CART = """
WITH cart AS (
    SELECT id FROM carts WHERE user_id = %(user_id)s FOR UPDATE
), free AS (
    DELETE FROM reservations r USING cart, cart_items i WHERE i.cart_id = cart.id AND r.id = i.id AND r.level = 'soft'
)
DELETE FROM carts c USING cart WHERE c.id = cart.id
"""

# Some orders that have ended, which let go of the account at the same time: what is left to do can be asked again after a
# crash. Their checkouts are locked first, as everywhere; an order whose payment is tried again just then is left alone. One
# that failed is not tried again later, having nowhere to go to.
ERASE_ORDERS = """
WITH batch AS MATERIALIZED (
    SELECT id FROM orders WHERE user_id = %(user_id)s AND status IN ('delivered', 'cancelled', 'failed')
     ORDER BY id LIMIT %(limit)s
), checkout AS MATERIALIZED (
    SELECT c.id FROM checkouts c JOIN batch ON batch.id = c.order_id ORDER BY c.id FOR UPDATE OF c
), erased AS (
    UPDATE orders o SET user_id = NULL, shipping_address = NULL, billing_address = NULL
      FROM batch
     WHERE o.id = batch.id AND o.status IN ('delivered', 'cancelled', 'failed') AND (SELECT count(*) FROM checkout) >= 0
    RETURNING o.id
), saga AS (
    UPDATE checkouts c
       SET idempotency_key = NULL, outcome = CASE c.outcome WHEN 'failed' THEN 'declined' ELSE c.outcome END,
           context = c.context || '{"email_domain": null, "method": "erased"}'
      FROM erased WHERE c.order_id = erased.id
), paid AS (
    UPDATE payments p SET method_token = 'erased' FROM erased WHERE p.order_id = erased.id
)
SELECT count(*) FROM erased
"""

LOCK_ACCOUNT = "SELECT id FROM users WHERE id = %(user_id)s FOR UPDATE"
# The credit ends with the account; gift cards are whoever's has the code.
END_CREDIT = """
UPDATE stored_values SET user_id = NULL, ended_at = coalesce(ended_at, %(now)s) WHERE user_id = %(user_id)s
"""
DELETE = "DELETE FROM users WHERE id = %(user_id)s"
