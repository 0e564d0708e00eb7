"""SQL of all that is held about an account, as finished JSON: a row for each thing, read through cursors."""

from __future__ import annotations

FACTOR = "SELECT kind, confirmed_at FROM second_factors WHERE user_id = %(user_id)s"
IDENTITIES = """
SELECT issuer, subject, linked_at, last_used_at FROM openid_identities WHERE user_id = %(user_id)s ORDER BY issuer
"""

SESSIONS = """
SELECT json_build_object(
           'session_id', id, 'user_agent', user_agent, 'client_id', client_id, 'started_at', iso_text(started_at),
           'last_used_at', iso_text(last_used_at), 'expires_at', iso_text(expires_at), 'ended_at', iso_text(revoked_at))::text
  FROM sessions WHERE user_id = %(user_id)s ORDER BY id
"""

# Tokens of payment methods, and codes, by their last four characters alone.
ORDERS = """
SELECT json_build_object(
           'order_id', o.id, 'number', o.number, 'status', o.status, 'channel', o.channel, 'session', o.session,
           'placed_at', iso_text(o.placed_at), 'currency', o.currency, 'total_amount', money_text(o.total, o.currency),
           'discount', money_text(o.discount, o.currency), 'shipping', money_text(o.shipping, o.currency),
           'tax', money_text(o.tax, o.currency), 'tax_included', money_text(o.tax_included, o.currency),
           'duties', money_text(o.duties, o.currency), 'paid_by_stored_value', money_text(o.stored_value, o.currency),
           'shipping_method', o.shipping_method, 'estimated_delivery', iso_text(o.estimated_delivery),
           'tracking_number', o.tracking_number,
           'shipping_address', o.shipping_address, 'billing_address', o.billing_address,
           'items', (SELECT coalesce(json_agg(json_build_object(
                         'product_id', l.product_id, 'sku', l.sku, 'title', l.title, 'quantity', l.quantity,
                         'unit_price', money_text(l.unit_price, o.currency),
                         'discount', money_text(l.discount, o.currency),
                         'total', money_text(l.total, o.currency)) ORDER BY l.line_number), '[]')
                       FROM order_lines l WHERE l.order_id = o.id),
           'payments', (SELECT coalesce(json_agg(json_build_object(
                         'payment_id', p.id, 'status', p.status, 'amount', money_text(p.amount, p.currency),
                         'captured', money_text(p.captured, p.currency), 'refunded', money_text(p.refunded, p.currency),
                         'currency', p.currency, 'gateway', p.gateway,
                         'method_end', CASE WHEN length(p.method_token) >= 8 THEN right(p.method_token, 4) END,
                         'failure_reason', p.failure_reason, 'created_at', iso_text(p.created_at)) ORDER BY p.id), '[]')
                       FROM payments p WHERE p.order_id = o.id),
           'coupon', (SELECT json_build_object(
                         'code', c.code, 'discount', money_text(r.discount, o.currency),
                         'redeemed_at', iso_text(r.redeemed_at), 'released_at', iso_text(r.released_at))
                        FROM coupon_redemptions r JOIN coupons c ON c.id = r.coupon_id WHERE r.order_id = o.id),
           'stored_value', (SELECT coalesce(json_agg(json_build_object(
                         'kind', s.kind, 'code_end', s.code_end, 'amount', money_text(h.amount, s.currency),
                         'status', h.status) ORDER BY s.id), '[]')
                       FROM stored_value_holds h JOIN stored_values s ON s.id = h.stored_value_id
                      WHERE h.order_id = o.id),
           'history', (SELECT coalesce(json_agg(json_build_object(
                         'sequence', f.sequence, 'fact', f.fact, 'data', f.data, 'occurred_at', iso_text(f.occurred_at))
                         ORDER BY f.sequence), '[]')
                       FROM order_history f WHERE f.order_id = o.id))::text
  FROM orders o WHERE o.user_id = %(user_id)s ORDER BY o.placed_at DESC, o.id DESC
"""

CARTS = """
SELECT json_build_object(
           'cart_id', c.id, 'updated_at', iso_text(c.updated_at),
           'items', (SELECT coalesce(json_agg(json_build_object(
                         'product_id', i.product_id, 'sku', i.sku, 'quantity', i.quantity,
                         'saved_for_later', i.saved_for_later,
                         'price_when_added', money_text(i.price_seen, p.currency), 'currency', p.currency)
                         ORDER BY i.id), '[]')
                       FROM cart_items i JOIN products p ON p.id = i.product_id WHERE i.cart_id = c.id))::text
  FROM carts c WHERE c.user_id = %(user_id)s
"""

WISHLISTS = """
SELECT json_build_object(
           'wishlist_id', w.id, 'name', w.name, 'is_default', w.is_default, 'is_shared', w.share_token IS NOT NULL,
           'created_at', iso_text(w.created_at),
           'items', (SELECT coalesce(json_agg(json_build_object(
                         'product_id', i.product_id, 'sku', p.sku, 'title', p.title, 'currency', p.currency,
                         'price_when_added', money_text(i.price_seen, p.currency), 'added_at', iso_text(i.added_at))
                         ORDER BY i.id), '[]')
                       FROM wishlist_items i JOIN products p ON p.id = i.product_id WHERE i.wishlist_id = w.id))::text
  FROM wishlists w WHERE w.user_id = %(user_id)s ORDER BY w.id
"""

REVIEWS = """
SELECT json_build_object(
           'review_id', r.id, 'product_id', r.product_id, 'rating', r.rating, 'title', r.title, 'text', r.text,
           'author', r.author, 'status', r.status, 'reason', r.reason, 'note', r.note,
           'created_at', iso_text(r.created_at), 'submitted_at', iso_text(r.submitted_at))::text
  FROM reviews r WHERE r.user_id = %(user_id)s ORDER BY r.id
"""

SELLERS = """
SELECT json_build_object(
           'code', s.code, 'display_name', s.display_name, 'status', s.status, 'tied_at', iso_text(p.tied_at))::text
  FROM seller_people p JOIN sellers s ON s.code = p.seller WHERE p.user_id = %(user_id)s
"""

STORED_VALUE = """
SELECT json_build_object(
           'kind', s.kind, 'code_end', s.code_end, 'currency', s.currency,
           'available', money_text(s.available, s.currency), 'held', money_text(s.held, s.currency),
           'created_at', iso_text(s.created_at), 'expires_at', iso_text(s.expires_at), 'ended_at', iso_text(s.ended_at),
           'movements', (SELECT coalesce(json_agg(json_build_object(
                             'from', l.debit, 'to', l.credit, 'amount', money_text(l.amount, s.currency),
                             'order_id', l.order_id, 'occurred_at', iso_text(l.occurred_at)) ORDER BY l.id), '[]')
                           FROM stored_value_ledger l WHERE l.stored_value_id = s.id))::text
  FROM stored_values s WHERE s.user_id = %(user_id)s ORDER BY s.id
"""

# Not what they said, which is the same for everybody but for a secret; nor those to addresses that are not the account's yet.
LETTERS = """
SELECT json_build_object('channel', channel, 'recipient', recipient, 'subject', subject, 'sent_at', iso_text(sent_at))::text
  FROM sandbox_messages WHERE user_id = %(user_id)s AND is_own_address ORDER BY sent_at, id
"""

AUDIT_LOG = """
SELECT json_build_object('at', iso_text(at), 'action', action, 'by_owner', actor = subject, 'details', details)::text
  FROM audit_log WHERE subject = %(user_id)s::uuid::text ORDER BY id
"""

SECTIONS = {
    "sessions": SESSIONS,
    "orders": ORDERS,
    "carts": CARTS,
    "wishlists": WISHLISTS,
    "reviews": REVIEWS,
    "sellers": SELLERS,
    "stored_value": STORED_VALUE,
    "letters": LETTERS,
    "audit_log": AUDIT_LOG,
}
"""The parts that may be long, by their name in the document."""
