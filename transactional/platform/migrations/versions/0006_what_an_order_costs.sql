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

-- Shipping, tax and duties of an order. Tax that is part of the prices is told, not added.
ALTER TABLE orders
    ADD COLUMN duties numeric(18, 4) NOT NULL DEFAULT 0,
    ADD COLUMN tax_included numeric(18, 4) NOT NULL DEFAULT 0,
    ADD COLUMN shipping_method text NOT NULL DEFAULT 'standard';

-- Tariffs. They are small: processes keep them whole.
CREATE TABLE shipping_services (
    code text PRIMARY KEY CHECK (code IN ('same_day', 'next_day', 'standard')),
    position smallint NOT NULL,
    currency char(3) NOT NULL,
    base_cost numeric(18, 4) NOT NULL CHECK (base_cost >= 0),
    cost_per_100_km numeric(18, 4) NOT NULL CHECK (cost_per_100_km >= 0),
    free_from numeric(18, 4) CHECK (free_from >= 0),  -- goods worth this much travel free
    most_km integer CHECK (most_km > 0),
    crosses_borders boolean NOT NULL,
    handling_days integer NOT NULL CHECK (handling_days >= 0),  -- business days, as all days here
    km_per_day integer CHECK (km_per_day > 0),
    customs_days integer NOT NULL CHECK (customs_days >= 0),
    cutoff_hour integer NOT NULL CHECK (cutoff_hour BETWEEN 0 AND 24),  -- of the warehouse
    only_today boolean NOT NULL,
    enabled boolean NOT NULL DEFAULT true
);
INSERT INTO shipping_services (code, position, currency, base_cost, cost_per_100_km, free_from, most_km, crosses_borders,
                               handling_days, km_per_day, customs_days, cutoff_hour, only_today)
VALUES ('standard', 1, 'USD', 0, 0, NULL, NULL, true, 1, 800, 2, 16, false),
       ('next_day', 2, 'USD', 9.90, 0.50, NULL, 1500, false, 1, NULL, 0, 16, false),
       ('same_day', 3, 'USD', 14.90, 5.00, NULL, 80, false, 0, NULL, 0, 12, true);
CREATE TABLE tax_rates (
    country char(2) NOT NULL,
    region text NOT NULL DEFAULT '',  -- '': all of the country
    category text NOT NULL DEFAULT '',  -- path; '': all
    rate numeric(9, 4) NOT NULL CHECK (rate >= 0),  -- percent
    is_inclusive boolean NOT NULL,  -- part of the prices, or added to them
    on_shipping boolean NOT NULL DEFAULT true,
    PRIMARY KEY (country, region, category)
);
CREATE TABLE duty_rates (
    country char(2) NOT NULL,  -- of destination
    category text NOT NULL DEFAULT '',
    rate numeric(9, 4) NOT NULL CHECK (rate >= 0),
    threshold numeric(18, 4) NOT NULL DEFAULT 0 CHECK (threshold >= 0),  -- worth no more: no duty
    currency char(3) NOT NULL,
    PRIMARY KEY (country, category)
);
CREATE TABLE exchange_rates (
    currency char(3) NOT NULL,
    valid_on date NOT NULL,
    per_euro numeric(24, 10) NOT NULL CHECK (per_euro > 0),
    PRIMARY KEY (currency, valid_on)
);
-- Prices that are set for another currency than the product's own; elsewhere its price is converted.
CREATE TABLE product_prices (
    product_id uuid NOT NULL REFERENCES products ON DELETE CASCADE,
    currency char(3) NOT NULL,
    price numeric(18, 4) NOT NULL CHECK (price >= 0),
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (product_id, currency)
);

-- Gift cards and store credit. What they pay is part of the total that no gateway is asked for: the payment's amount is the rest.
ALTER TABLE orders ADD COLUMN stored_value numeric(18, 4) NOT NULL DEFAULT 0;
CREATE TABLE stored_values (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('gift_card', 'store_credit')),
    code_hash text UNIQUE,  -- keyed; the code itself is told once and kept nowhere
    code_end text,  -- its last four characters, by which people tell cards apart
    user_id uuid REFERENCES users ON DELETE SET NULL,
    currency char(3) NOT NULL,
    available numeric(18, 4) NOT NULL CHECK (available >= 0),
    held numeric(18, 4) NOT NULL DEFAULT 0 CHECK (held >= 0),  -- by orders that are not confirmed yet
    expires_at timestamptz,  -- business time
    ended_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK ((kind = 'gift_card') = (code_hash IS NOT NULL))
);
CREATE UNIQUE INDEX stored_values_of_user ON stored_values (user_id, currency) WHERE kind = 'store_credit';
CREATE TABLE stored_value_holds (
    order_id uuid NOT NULL REFERENCES orders,
    stored_value_id uuid NOT NULL REFERENCES stored_values,
    amount numeric(18, 4) NOT NULL CHECK (amount > 0),
    status text NOT NULL CHECK (status IN ('held', 'captured', 'given_back')),
    PRIMARY KEY (order_id, stored_value_id)
);
-- Double entry: each posting moves an amount out of one pot of a stored value into another, so that none is out of balance.
CREATE TABLE stored_value_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stored_value_id uuid NOT NULL REFERENCES stored_values,
    debit text NOT NULL CHECK (debit IN ('issued', 'available', 'held', 'spent')),
    credit text NOT NULL CHECK (credit IN ('issued', 'available', 'held', 'spent')),
    amount numeric(18, 4) NOT NULL CHECK (amount > 0),
    order_id uuid,
    reference uuid UNIQUE,  -- of a request that issues, so that its repeat issues nothing
    actor text,
    occurred_at timestamptz NOT NULL,
    CHECK (debit <> credit)
);
CREATE INDEX stored_value_ledger_by_value ON stored_value_ledger (stored_value_id, id);
CREATE TRIGGER stored_value_ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stored_value_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a quote needs of a product that is for sale: its price, and the warehouses among which allocation chooses.
CREATE VIEW quotable_products AS
SELECT p.id AS product_id, p.sku, p.title, c.path AS category_path, p.currency, p.price,
       (SELECT json_agg(json_build_array(s.warehouse, s.available, s.reorder_level, w.country, w.latitude, w.longitude,
                                         w.capacity))
          FROM stock s JOIN warehouses w ON w.code = s.warehouse WHERE s.sku = p.sku) AS warehouses
  FROM products p
  JOIN categories c ON c.id = p.category_id
 WHERE p.status = 'active';
