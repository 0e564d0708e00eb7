-- The payment ledger, and what several gateways need.

-- Double entry: a posting names the account that is debited and the one that is credited with the same amount, so that no
-- posting can be out of balance. It is written by the statement or transaction that changes the payment, and never changed.
CREATE TABLE payment_accounts (
    code text PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO payment_accounts (code, name) VALUES
    ('gateway_clearing', 'Money that a gateway has taken for us and not yet given back'),
    ('revenue', 'Captured payments'),
    ('refunds', 'Refunds granted, against revenue'),
    ('refunds_payable', 'Refunds granted and not yet paid out by the gateway'),
    ('charge_backs', 'Money that card holders took back');

CREATE TABLE payment_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    operation_id uuid,  -- the payment operation that moved the money; null for a charge-back and for what was migrated
    kind text NOT NULL CHECK (kind IN ('capture', 'refund_granted', 'refund_paid', 'refund_refused', 'charge_back')),
    debit text NOT NULL REFERENCES payment_accounts,
    credit text NOT NULL REFERENCES payment_accounts,
    amount numeric(18, 4) NOT NULL CHECK (amount > 0),
    currency char(3) NOT NULL,
    gateway text NOT NULL,
    occurred_at timestamptz NOT NULL,  -- business time
    CHECK (debit <> credit),
    UNIQUE NULLS NOT DISTINCT (payment_id, kind, operation_id)
);
CREATE FUNCTION refuse_payment_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER payment_ledger_is_append_only BEFORE UPDATE OR DELETE ON payment_ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_payment_ledger_change();

-- The ledger as entries: debits are positive, credits negative.
CREATE VIEW payment_ledger_entries AS
SELECT l.id AS posting_id, l.payment_id, l.operation_id, l.kind, e.account, e.amount, l.currency, l.gateway, l.occurred_at
  FROM payment_ledger l CROSS JOIN LATERAL (VALUES (l.debit, l.amount), (l.credit, -l.amount)) AS e (account, amount);

-- What was captured, refunded and charged back before there was a ledger.
INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT p.id, o.id, 'capture', 'gateway_clearing', 'revenue', p.captured, p.currency, p.gateway, p.updated_at
  FROM payments p LEFT JOIN payment_operations o ON o.payment_id = p.id AND o.kind = 'capture' AND o.status = 'done'
 WHERE p.captured > 0;
INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT p.id, o.id, 'refund_granted', 'refunds', 'refunds_payable', o.amount, p.currency, p.gateway, p.updated_at
  FROM payments p JOIN payment_operations o ON o.payment_id = p.id
 WHERE o.kind = 'refund' AND o.status IN ('due', 'done') AND o.amount > 0;
INSERT INTO payment_ledger (payment_id, operation_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT p.id, o.id, 'refund_paid', 'refunds_payable', 'gateway_clearing', o.amount, p.currency, p.gateway, p.updated_at
  FROM payments p JOIN payment_operations o ON o.payment_id = p.id
 WHERE o.kind = 'refund' AND o.status = 'done' AND o.amount > 0;
INSERT INTO payment_ledger (payment_id, kind, debit, credit, amount, currency, gateway, occurred_at)
SELECT p.id, 'charge_back', 'charge_backs', 'gateway_clearing', sum(e.amount), p.currency, p.gateway, p.updated_at
  FROM payments p JOIN payment_ledger_entries e ON e.payment_id = p.id AND e.account = 'gateway_clearing'
 WHERE p.status = 'charged_back'
 GROUP BY p.id HAVING sum(e.amount) > 0;

-- The sandbox is two gateways, each with its own charges.
ALTER TABLE sandbox_gateway.charges
    ADD COLUMN gateway text NOT NULL DEFAULT 'sandbox',
    DROP CONSTRAINT charges_idempotency_key_key,
    ADD CONSTRAINT charges_idempotency_key_key UNIQUE (gateway, idempotency_key);
