"""SQL of images. An image's row is locked before the products that show it: of these what is sold in the order of ids, then
those that have variants, as changes of prices and products lock them. Leases and ages are in real time."""

from __future__ import annotations

# A file is expected: it is not taken for unused meanwhile. No row: it is just being removed.
EXPECT = """
INSERT INTO images AS i (digest, media_type, width, height, unused_since)
VALUES (%(digest)s, %(media_type)s, %(width)s, %(height)s, %(real_now)s)
ON CONFLICT (digest) DO UPDATE
   SET unused_since = CASE WHEN i.unused_since IS NOT NULL THEN excluded.unused_since END
 WHERE i.state <> 'removing'
RETURNING digest
"""

# The file is there. What has failed before is tried again.
USE = """
UPDATE images SET unused_since = NULL, state = CASE state WHEN 'failed' THEN 'waiting' ELSE state END,
       attempts = CASE state WHEN 'failed' THEN 0 ELSE attempts END
 WHERE digest = %(digest)s AND state <> 'removing' RETURNING state
"""

LOCK_PRODUCTS = """
SELECT id, seller FROM products WHERE id = ANY(%(product_ids)s) ORDER BY has_variants, id FOR NO KEY UPDATE
"""

ADD = """
INSERT INTO product_images AS i (id, product_id, digest, place, alt)
SELECT %(image_id)s, %(product_id)s, %(digest)s, coalesce(max(place), 0) + 1, %(alt)s
  FROM product_images WHERE product_id = %(product_id)s
 HAVING count(*) < %(most)s
ON CONFLICT (product_id, digest) DO UPDATE SET alt = excluded.alt
RETURNING id
"""

# Products show those of their images whose sizes are made, in their order. Only what is different is written.
SHOW = """
WITH shown AS (
    SELECT p.id, coalesce(jsonb_agg(jsonb_build_object(
               'image_id', i.id, 'alt', i.alt, 'width', f.sizes #> '{page,width}', 'height', f.sizes #> '{page,height}',
               'thumbnail', %(prefix)s || (f.sizes #>> '{thumbnail,name}'), 'list', %(prefix)s || (f.sizes #>> '{list,name}'),
               'page', %(prefix)s || (f.sizes #>> '{page,name}')) ORDER BY i.place, i.id)
               FILTER (WHERE f.state = 'ready'), '[]') AS images
      FROM unnest(%(product_ids)s::uuid[]) AS p (id)
      LEFT JOIN product_images i ON i.product_id = p.id
      LEFT JOIN images f ON f.digest = i.digest
     GROUP BY p.id
)
UPDATE products p SET images = s.images, version = p.version + 1, updated_at = %(now)s
  FROM shown s WHERE p.id = s.id AND p.images <> s.images
RETURNING p.id
"""

OF_PRODUCT = """
SELECT i.id AS image_id, i.alt, f.state, f.width, f.height, f.media_type,
       coalesce((SELECT jsonb_object_agg(s.key, %(prefix)s || (s.value ->> 'name')) FROM jsonb_each(f.sizes) AS s),
                '{}') AS urls
  FROM product_images i JOIN images f ON f.digest = i.digest
 WHERE i.product_id = %(product_id)s ORDER BY i.place, i.id
"""

PRODUCT = "SELECT seller FROM products WHERE id = %(product_id)s"

FILE_OF = """
SELECT f.digest FROM product_images i JOIN images f ON f.digest = i.digest
 WHERE i.id = %(image_id)s AND i.product_id = %(product_id)s FOR NO KEY UPDATE OF f
"""

SET_ALT = "UPDATE product_images SET alt = %(alt)s WHERE id = %(image_id)s AND product_id = %(product_id)s RETURNING id"

SET_ORDER = """
UPDATE product_images i SET place = o.place
  FROM unnest(%(image_ids)s::uuid[]) WITH ORDINALITY AS o (id, place)
 WHERE i.id = o.id AND i.product_id = %(product_id)s
"""

REMOVE = "DELETE FROM product_images WHERE id = %(image_id)s AND product_id = %(product_id)s RETURNING id"

NOTE_UNUSED = """
UPDATE images f SET unused_since = %(real_now)s
 WHERE f.digest = %(digest)s AND NOT EXISTS (SELECT FROM product_images i WHERE i.digest = f.digest)
"""

# One that nobody works at, for as long as the lease lasts. `attempts` is the fence: who comes back from the dead finds
# another number.
CLAIM = """
UPDATE images SET lease_until = %(lease_until)s, attempts = attempts + 1
 WHERE digest = (SELECT digest FROM images
                  WHERE state = 'waiting' AND unused_since IS NULL
                    AND (lease_until IS NULL OR lease_until < %(real_now)s)
                  ORDER BY lease_until NULLS FIRST, digest LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING digest, attempts
"""

# An attempt that was none. The number may come again: what it fences off makes the same files.
GIVE_BACK = """
UPDATE images SET attempts = attempts - 1 WHERE digest = %(digest)s AND attempts = %(attempts)s AND state = 'waiting'
"""

FINISH = """
UPDATE images SET state = %(state)s, sizes = %(sizes)s, lease_until = NULL
 WHERE digest = %(digest)s AND attempts = %(attempts)s AND state = 'waiting' RETURNING digest
"""

SHOWN_BY = "SELECT product_id FROM product_images WHERE digest = %(digest)s"

# What no product has shown for a while, or whose removal died. Who wants to use it again waits until it is gone.
CLAIM_UNUSED = """
UPDATE images SET state = 'removing', lease_until = %(lease_until)s
 WHERE digest = (SELECT digest FROM images u
                  WHERE u.unused_since < %(before)s AND (u.lease_until IS NULL OR u.lease_until < %(real_now)s)
                    AND NOT EXISTS (SELECT FROM product_images i WHERE i.digest = u.digest)
                  ORDER BY u.unused_since LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING digest, ARRAY(SELECT s.value ->> 'name' FROM jsonb_each(sizes) AS s) AS names
"""

FORGET = "DELETE FROM images WHERE digest = %(digest)s AND state = 'removing'"
