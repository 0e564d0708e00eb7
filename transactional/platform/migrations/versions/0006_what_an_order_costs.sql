-- What an order costs. total = sum of the lines' totals (each after its share of the discount) + shipping + tax + duties.
ALTER TABLE orders
    ADD COLUMN discount numeric(18, 4) NOT NULL DEFAULT 0,
    ADD COLUMN shipping numeric(18, 4) NOT NULL DEFAULT 0,
    ADD COLUMN tax numeric(18, 4) NOT NULL DEFAULT 0;
ALTER TABLE order_lines ADD COLUMN discount numeric(18, 4) NOT NULL DEFAULT 0;  -- already taken off the line's total

-- Coupons. Their terms never change: a coupon is ended, and another one made. `uses` counts what is redeemed and not released.
CREATE TABLE coupons (
    id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code = upper(code)),
    kind text NOT NULL CHECK (kind IN ('percentage', 'amount')),
    value numeric(18, 4) NOT NULL CHECK (value > 0 AND (kind = 'amount' OR value <= 100)),
    currency char(3),  -- of the amounts below; null where there is none
    minimum_amount numeric(18, 4) CHECK (minimum_amount > 0),
    starts_at timestamptz NOT NULL,  -- business time
    ends_at timestamptz CHECK (ends_at > starts_at),
    max_uses integer CHECK (max_uses > 0),
    max_uses_per_customer integer CHECK (max_uses_per_customer > 0),
    uses integer NOT NULL DEFAULT 0 CHECK (uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK (currency IS NOT NULL OR (kind = 'percentage' AND minimum_amount IS NULL))
);
CREATE INDEX coupons_by_creation ON coupons (created_at DESC, id DESC);
CREATE TABLE coupon_customers (
    coupon_id uuid NOT NULL REFERENCES coupons,
    customer text NOT NULL,  -- account or guest session
    uses integer NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (coupon_id, customer)
);
CREATE TABLE coupon_redemptions (
    order_id uuid PRIMARY KEY REFERENCES orders,
    coupon_id uuid NOT NULL REFERENCES coupons,
    customer text NOT NULL,
    discount numeric(18, 4) NOT NULL CHECK (discount >= 0),
    redeemed_at timestamptz NOT NULL,
    released_at timestamptz  -- the order failed or was cancelled
);
CREATE INDEX coupon_redemptions_by_coupon ON coupon_redemptions (coupon_id);
