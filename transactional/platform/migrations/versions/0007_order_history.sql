-- What a fact changed about its order: {"order": {column: value}, "lines": [{"line_number": 1, column: value}]}.
-- Columns that name a person (user_id and the addresses) stand in the order alone, where they can be forgotten.
ALTER TABLE order_history ADD COLUMN changes jsonb;

UPDATE order_history h
   SET changes = jsonb_build_object(
           'order', to_jsonb(o) - '{user_id,shipping_address,billing_address,estimated_delivery,tracking_number}'::text[]
                    || jsonb_build_object('status', 'pending', 'version', 1, 'updated_at', o.placed_at),
           'lines', coalesce((SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line_number) FROM order_lines l
                               WHERE l.order_id = o.id), '[]'))
  FROM orders o
 WHERE o.id = h.order_id AND h.sequence = 1;

UPDATE order_history h
   SET changes = jsonb_build_object('order', jsonb_build_object('status', h.data -> 'status')
           || CASE WHEN h.sequence = (SELECT max(l.sequence) FROM order_history l WHERE l.order_id = h.order_id)
                   THEN jsonb_build_object('estimated_delivery', o.estimated_delivery,
                                           'tracking_number', o.tracking_number, 'updated_at', o.updated_at)
                   ELSE '{}' END)
  FROM orders o
 WHERE o.id = h.order_id AND h.sequence > 1;

ALTER TABLE order_history ALTER COLUMN changes SET NOT NULL;

CREATE TRIGGER order_history_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An order's state after a fact, so that replaying a long history begins there.
CREATE TABLE order_snapshots (
    order_id uuid NOT NULL REFERENCES orders,
    sequence bigint NOT NULL,
    state jsonb NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, sequence)
);
