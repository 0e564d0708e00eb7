-- Soft reservations, saved lines, what allocation knows of warehouses, an append-only ledger, and reorder alerts.

-- A soft reservation is of a SKU, not of a warehouse: which one is chosen when it becomes hard. Its id is that of the
-- cart line that it belongs to, so that checkout turns the same row hard. What has left the house is 'shipped', and no
-- longer reserved.
ALTER TABLE reservations
    ALTER COLUMN warehouse DROP NOT NULL,
    DROP CONSTRAINT reservations_level_check,
    ADD CONSTRAINT reservations_level_check CHECK (level IN ('soft', 'hard', 'allocated', 'shipped', 'released')),
    ADD CONSTRAINT reservations_warehouse CHECK (warehouse IS NOT NULL OR level = 'soft');
UPDATE reservations r SET level = 'shipped' FROM orders o
 WHERE o.id = r.order_id AND o.status IN ('shipped', 'delivered') AND r.level = 'allocated';
-- What is shown of a SKU's stock: soft reservations to take off, and the sum that is reserved.
CREATE INDEX reservations_in_force ON reservations (sku, level) WHERE level IN ('soft', 'hard', 'allocated');

-- What the shopper was shown when they last looked; null: nothing yet, or not since they changed the line themselves.
ALTER TABLE cart_items
    ADD COLUMN saved_for_later boolean NOT NULL DEFAULT false,
    ADD COLUMN price_shown numeric(18, 4),
    ADD COLUMN available_shown integer;
CREATE INDEX carts_by_change ON carts (updated_at);

-- What allocation scores; null is not known, and then neutral. Where a warehouse stands was never asked for: 'US' was
-- the default of those that came into being with a receipt.
ALTER TABLE warehouses
    ALTER COLUMN country DROP NOT NULL,
    ALTER COLUMN country DROP DEFAULT,
    ADD COLUMN latitude double precision CHECK (latitude BETWEEN -90 AND 90),
    ADD COLUMN longitude double precision CHECK (longitude BETWEEN -180 AND 180),
    ADD COLUMN capacity integer CHECK (capacity > 0),  -- parcels that it can send a day
    ADD CONSTRAINT warehouses_place CHECK ((latitude IS NULL) = (longitude IS NULL));
UPDATE warehouses SET country = NULL WHERE name = code AND country = 'US';

ALTER TABLE stock ADD CONSTRAINT stock_reorder_level CHECK (reorder_level >= 0);

-- Ledgers and histories are only ever added to; a mistake is corrected by another entry.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER stock_ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One row for each fall below the reorder level. A worker tells of it and gives it its id and business time.
CREATE TABLE reorder_alerts (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid UNIQUE,
    sku text NOT NULL,
    warehouse text NOT NULL,
    product_id uuid NOT NULL,
    available integer NOT NULL,
    reorder_level integer NOT NULL,
    raised_at timestamptz
);
CREATE INDEX reorder_alerts_to_raise ON reorder_alerts (number) WHERE raised_at IS NULL;
CREATE INDEX reorder_alerts_by_stock ON reorder_alerts (sku, warehouse, number);

-- A trigger, because stock falls in several statements and the hottest of them must not grow: its condition is looked at
-- inside the UPDATE, and the function runs only on the one update that crosses the level. A partial index over
-- 'available < reorder_level' instead would end HOT updates of the hottest rows.
CREATE FUNCTION note_reorder_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reorder_alerts (sku, warehouse, product_id, available, reorder_level)
    VALUES (NEW.sku, NEW.warehouse, NEW.product_id, NEW.available, NEW.reorder_level);
    RETURN NULL;
END
$$;
CREATE TRIGGER stock_falls_below_reorder_level AFTER UPDATE ON stock FOR EACH ROW
    WHEN (NEW.available < NEW.reorder_level AND OLD.available >= OLD.reorder_level)
    EXECUTE FUNCTION note_reorder_alert();
