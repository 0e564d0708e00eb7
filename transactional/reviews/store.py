"""SQL of reviews. A review's row is locked before its product's."""

from __future__ import annotations

# The product whose reviews are asked for; a variant has those of its product.
PRODUCT = """
SELECT shown.id, shown.rating_average, shown.rating_count, shown.rating_stars
  FROM products asked JOIN products shown ON shown.id = coalesce(asked.parent_id, asked.id)
 WHERE asked.id = %(product_id)s AND shown.status <> 'inactive'
"""

_LIST = """
SELECT r.id, r.rating, r.title, r.text, r.author, r.user_id, u.name, r.created_at, r.submitted_at
  FROM reviews r LEFT JOIN LATERAL (SELECT name FROM users WHERE id = r.user_id AND r.author IS NULL) u ON true
 WHERE r.product_id = %(product_id)s AND r.status = 'approved'
   AND (%(rating)s::int IS NULL OR r.rating = %(rating)s)
   AND (%(after_id)s::uuid IS NULL OR {after})
 ORDER BY {order} LIMIT %(limit)s + 1
"""


def _sorted(after: str, order: str) -> str:
    return _LIST.replace("{after}", after).replace("{order}", order)


LISTS = {
    "newest": _sorted("r.id < %(after_id)s", "r.id DESC"),
    "highest": _sorted("(r.rating, r.id) < (%(after_rating)s, %(after_id)s)", "r.rating DESC, r.id DESC"),
    "lowest": _sorted(
        "(r.rating > %(after_rating)s OR (r.rating = %(after_rating)s AND r.id < %(after_id)s))", "r.rating, r.id DESC"
    ),
}

# A review of a product that was delivered to the account, in whichever variant: where a carrier says nothing more, it has
# arrived on the day on which it was to. No row where it was not, or where there is a review.
WRITE = """
WITH bought AS (
    SELECT o.id
      FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN products sold ON sold.id = l.product_id
     WHERE o.user_id = %(user_id)s AND %(product_id)s IN (sold.id, sold.parent_id)
       AND (o.status = 'delivered' OR (o.status = 'shipped' AND o.estimated_delivery <= %(now)s))
     ORDER BY o.id DESC LIMIT 1
)
INSERT INTO reviews (id, product_id, user_id, order_id, rating, title, text, author, status, created_at, submitted_at)
SELECT %(review_id)s, %(product_id)s, %(user_id)s, id, %(rating)s, %(title)s, %(text)s, %(author)s, %(status)s, %(now)s, %(now)s
  FROM bought
ON CONFLICT (product_id, user_id) DO NOTHING
RETURNING id
"""
EXISTING = "SELECT id FROM reviews WHERE product_id = %(product_id)s AND user_id = %(user_id)s"

_WHOLE = """
SELECT r.id, r.id AS review_id, r.product_id, p.title AS product_title, r.user_id, s.pseudonym AS "user", r.rating, r.title,
       r.text, r.author, r.status, r.reason, r.note, r.created_at, r.submitted_at, r.version
  FROM reviews r JOIN products p ON p.id = r.product_id LEFT JOIN pseudonyms s ON s.user_id = r.user_id
"""
REVIEW = f"{_WHOLE} WHERE r.id = %(review_id)s"
LOCK = f"{_WHOLE} WHERE r.id = %(review_id)s FOR NO KEY UPDATE OF r"
# In the order of the products, whose rows are changed next: two accounts may have reviewed the same ones.
LOCK_ALL_OF = f"{_WHOLE} WHERE r.user_id = %(user_id)s ORDER BY r.product_id FOR NO KEY UPDATE OF r"
OF_USER = f"""{_WHOLE}
 WHERE r.user_id = %(user_id)s AND (%(after_id)s::uuid IS NULL OR r.id < %(after_id)s)
 ORDER BY r.id DESC LIMIT %(limit)s + 1
"""
BY_STATUS = f"""{_WHOLE}
 WHERE r.status = %(status)s
   AND (%(after_id)s::uuid IS NULL OR (r.submitted_at, r.id) > (%(after_time)s::timestamptz, %(after_id)s))
 ORDER BY r.submitted_at, r.id LIMIT %(limit)s + 1
"""

REWRITE = """
UPDATE reviews
   SET rating = %(rating)s, title = %(title)s, text = %(text)s, author = %(author)s, status = %(status)s, reason = NULL,
       note = NULL, version = version + 1, submitted_at = %(now)s
 WHERE id = %(review_id)s
"""
DECIDE = """
UPDATE reviews SET status = %(status)s, reason = %(reason)s, note = %(note)s, version = version + 1 WHERE id = %(review_id)s
"""
DELETE = "DELETE FROM reviews WHERE id = ANY(%(review_ids)s)"

# What a review adds to the number of each star, or takes from it.
RATE = """
UPDATE products
   SET rating_version = rating_version + 1,
       rating_stars = (SELECT array_agg(given + change ORDER BY star)
                         FROM unnest(rating_stars, %(change)s::int[]) WITH ORDINALITY AS t (given, change, star))
 WHERE id = %(product_id)s
"""

# Products whose stars are not those of the reviews that are shown.
DIFFERENCES = """
SELECT p.sku, p.rating_stars AS kept, coalesce(r.stars, '{0,0,0,0,0}') AS counted
  FROM products p
  LEFT JOIN (SELECT product_id, ARRAY[count(*) FILTER (WHERE rating = 1), count(*) FILTER (WHERE rating = 2),
                                      count(*) FILTER (WHERE rating = 3), count(*) FILTER (WHERE rating = 4),
                                      count(*) FILTER (WHERE rating = 5)]::int[] AS stars
               FROM reviews WHERE status = 'approved' GROUP BY product_id) r ON r.product_id = p.id
 WHERE p.rating_stars <> coalesce(r.stars, '{0,0,0,0,0}') ORDER BY p.sku
"""
