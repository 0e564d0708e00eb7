-- The payment ledger, and what several gateways need.

-- Double entry: a posting names the account that is debited and the one that is credited with the same amount, so that no
-- posting can be out of balance. It is written by the statement or transaction that changes the payment, and never changed.
-- The accounts: gateway_clearing (money that a gateway has taken for us and not given back), revenue (captured payments),
-- refunds (granted, against revenue), refunds_payable (granted and not yet paid out), charge_backs (taken back by card
-- holders). A kind's accounts are fixed by a check and not by a foreign key, whose rows every capture would lock.
CREATE TABLE payment_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    operation_id uuid,  -- the payment operation that moved the money; null for a charge-back and for what was migrated
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount numeric(18, 4) NOT NULL CHECK (amount > 0),
    currency char(3) NOT NULL,
    gateway text NOT NULL,
    occurred_at timestamptz NOT NULL,  -- business time
    CONSTRAINT payment_ledger_accounts CHECK ((kind, debit, credit) IN (
        ('capture', 'gateway_clearing', 'revenue'),
        ('refund_granted', 'refunds', 'refunds_payable'),
        ('refund_paid', 'refunds_payable', 'gateway_clearing'),
        ('refund_refused', 'refunds_payable', 'refunds'),
        ('charge_back', 'charge_backs', 'gateway_clearing'))),
    UNIQUE NULLS NOT DISTINCT (payment_id, kind, operation_id)
);
CREATE TRIGGER payment_ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

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

-- What each gateway takes, under which conditions and at what price. Empty lists allow everything; a row of a currency goes
-- before the one of all currencies, and only it may name amounts.
CREATE TABLE gateway_rules (
    gateway text NOT NULL,
    method text NOT NULL CHECK (method IN ('card', 'wallet', 'buy_now_pay_later')),
    currency char(3),
    countries text[] NOT NULL DEFAULT '{}',
    excluded_countries text[] NOT NULL DEFAULT '{}',
    token_prefixes text[] NOT NULL DEFAULT '{}',  -- a gateway can charge its own tokens only
    least_amount numeric(18, 4) NOT NULL DEFAULT 0 CHECK (least_amount >= 0),
    greatest_amount numeric(18, 4) CHECK (greatest_amount >= least_amount),
    greatest_risk double precision NOT NULL DEFAULT 1 CHECK (greatest_risk BETWEEN 0 AND 1),
    fee_share double precision NOT NULL DEFAULT 0 CHECK (fee_share >= 0),
    fee_fixed numeric(18, 4) NOT NULL DEFAULT 0 CHECK (fee_fixed >= 0),
    loss_share double precision NOT NULL DEFAULT 1 CHECK (loss_share BETWEEN 0 AND 1),  -- of a fraud, borne by us
    UNIQUE NULLS NOT DISTINCT (gateway, method, currency),
    CHECK (currency IS NOT NULL OR (least_amount = 0 AND greatest_amount IS NULL AND fee_fixed = 0))
);
INSERT INTO gateway_rules (gateway, method, currency, countries, token_prefixes, least_amount, greatest_amount, fee_share,
                           fee_fixed) VALUES
    ('stripe', 'card', NULL, '{}', '{pm_,src_,card_}', 0, NULL, 0.0325, 0),
    ('stripe', 'card', 'USD', '{}', '{pm_,src_,card_}', 0.50, NULL, 0.029, 0.30),
    ('stripe', 'wallet', NULL, '{}', '{pm_,src_,card_}', 0, NULL, 0.0325, 0),
    ('stripe', 'wallet', 'USD', '{}', '{pm_,src_,card_}', 0.50, NULL, 0.029, 0.30),
    ('stripe', 'buy_now_pay_later', 'USD', '{US}', '{pm_}', 1, 4000, 0.0599, 0.30),
    ('stripe', 'buy_now_pay_later', 'EUR', '{AT,BE,DE,ES,FI,FR,IE,IT,NL}', '{pm_}', 1, 4000, 0.0499, 0.30),
    ('stripe', 'buy_now_pay_later', 'GBP', '{GB}', '{pm_}', 1, 4000, 0.0499, 0.30),
    ('sandbox', 'card', NULL, '{}', '{}', 0, NULL, 0.015, 0),
    ('sandbox', 'wallet', NULL, '{}', '{}', 0, NULL, 0.015, 0),
    ('sandbox', 'buy_now_pay_later', NULL, '{}', '{}', 0, NULL, 0.03, 0),
    ('sandbox-backup', 'card', NULL, '{}', '{}', 0, NULL, 0.029, 0),
    ('sandbox-backup', 'wallet', NULL, '{}', '{}', 0, NULL, 0.029, 0),
    ('sandbox-backup', 'buy_now_pay_later', NULL, '{}', '{}', 0, NULL, 0.06, 0);
UPDATE gateway_rules SET excluded_countries = '{CU,IR,KP,SY}';

-- Attempts of an authorization that came to nothing at a gateway. The one that succeeded is the payment itself, so that
-- an order without a mishap writes nothing here.
CREATE TABLE payment_attempts (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    gateway text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('refused', 'not_sent', 'unknown')),
    region text NOT NULL,
    method text NOT NULL,
    decided_at timestamptz NOT NULL  -- real time
);
CREATE INDEX payment_attempts_by_payment ON payment_attempts (payment_id);

-- A charge that is not (or no longer) the payment's own is looked up at the gateway that has it, and voided.
ALTER TABLE payment_operations
    ADD COLUMN gateway text,
    DROP CONSTRAINT payment_operations_kind_check,
    ADD CONSTRAINT payment_operations_kind_check CHECK (kind IN ('capture', 'reverse', 'refund', 'void_stray')),
    ADD CONSTRAINT payment_operations_stray CHECK ((kind = 'void_stray') = (gateway IS NOT NULL));
CREATE UNIQUE INDEX payment_operations_one_stray ON payment_operations (payment_id, gateway)
    WHERE kind = 'void_stray' AND status = 'due';

-- The sandbox is two gateways, each with its own charges.
ALTER TABLE sandbox_gateway.charges
    ADD COLUMN gateway text NOT NULL DEFAULT 'sandbox',
    DROP CONSTRAINT charges_idempotency_key_key,
    ADD CONSTRAINT charges_idempotency_key_key UNIQUE (gateway, idempotency_key);
