-- How many of the reviews that the shop shows give a product one star, two, … five. All else about its rating follows from
-- these five numbers, so that it cannot differ from them.
ALTER TABLE products
    ADD COLUMN rating_stars integer[] NOT NULL DEFAULT '{0,0,0,0,0}'
        CONSTRAINT products_rating_stars CHECK (cardinality(rating_stars) = 5 AND 0 <= ALL (rating_stars)),
    ADD COLUMN rating_version bigint NOT NULL DEFAULT 0;  -- raised by each change of rating_stars

CREATE FUNCTION rating_count(stars integer[]) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN stars[1] + stars[2] + stars[3] + stars[4] + stars[5];
CREATE FUNCTION rating_sum(stars integer[]) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN stars[1] + 2 * stars[2] + 3 * stars[3] + 4 * stars[4] + 5 * stars[5];
CREATE FUNCTION rating_squares(stars integer[]) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN stars[1] + 4 * stars[2] + 9 * stars[3] + 16 * stars[4] + 25 * stars[5];

-- Null where there is no review.
CREATE FUNCTION rating_average(stars integer[]) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN round(rating_sum(stars)::numeric / nullif(rating_count(stars), 0), 2);

-- What lists sort by: the average that a product has with 95 % confidence at least, where before the first review each number
-- of stars counts as given once. Evan Miller, "Ranking Items With Star Ratings" (2014),
-- https://www.evanmiller.org/ranking-items-with-star-ratings.html
-- With n ratings, their sum s and the sum of their squares q: s/n - z √((q/n - (s/n)²) / (n + 1)). One expression, without a
-- subquery, so that it is inlined: each product that is listed pays for it.
CREATE FUNCTION rating_rank(stars integer[]) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN round(((15 + rating_sum(stars))::float8 / (5 + rating_count(stars))
                  - 1.65 * sqrt(((55 + rating_squares(stars))::float8 / (5 + rating_count(stars))
                                 - ((15 + rating_sum(stars))::float8 / (5 + rating_count(stars)))
                                   * ((15 + rating_sum(stars))::float8 / (5 + rating_count(stars))))
                                / (6 + rating_count(stars))))::numeric, 6);

ALTER TABLE products
    ADD COLUMN rating_count integer NOT NULL GENERATED ALWAYS AS (rating_count(rating_stars)) STORED,
    ADD COLUMN rating_average numeric(3, 2) GENERATED ALWAYS AS (rating_average(rating_stars)) STORED,
    ADD COLUMN rating_rank numeric(7, 6) NOT NULL GENERATED ALWAYS AS (rating_rank(rating_stars)) STORED;
CREATE INDEX products_by_rating ON products (rating_rank, id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_rated ON products (rating_average, id)
    WHERE status = 'active' AND parent_id IS NULL AND rating_average IS NOT NULL;

-- A review is of a product, never of one of its variants, by somebody to whom it was delivered; each person writes one. Who
-- wrote it stands in the account alone, which may be forgotten. Business time.
CREATE TABLE reviews (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL REFERENCES products,
    user_id uuid REFERENCES users ON DELETE SET NULL,
    order_id uuid NOT NULL REFERENCES orders,  -- the latest one that delivered it
    rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
    title text NOT NULL,
    text text NOT NULL,
    author text,  -- as whom the shop shows who wrote it, by their own choice; null: by the first name of the account
    status text NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    reason text CHECK ((status = 'rejected') = (reason IS NOT NULL)),  -- why it was rejected, as a code
    note text,  -- and in words, for its author
    version bigint NOT NULL DEFAULT 1,  -- sequence of its events
    created_at timestamptz NOT NULL,
    submitted_at timestamptz NOT NULL,  -- when its author wrote what stands here
    UNIQUE (product_id, user_id)
);
CREATE INDEX reviews_newest ON reviews (product_id, id) WHERE status = 'approved';
CREATE INDEX reviews_by_rating ON reviews (product_id, rating, id) WHERE status = 'approved';
CREATE INDEX reviews_by_status ON reviews (status, submitted_at, id);
CREATE INDEX reviews_of_user ON reviews (user_id, id);
