-- What the gateway has to do for a payment after its authorization, and the books of the sandbox gateway.

-- A payment's version counts the facts told of it; a payment that is still pending has told none.
ALTER TABLE payments
    ALTER COLUMN version SET DEFAULT 0,
    ADD COLUMN captured numeric(18, 4) NOT NULL DEFAULT 0,
    ADD COLUMN refunded numeric(18, 4) NOT NULL DEFAULT 0,  -- asked for and not refused
    -- Keyed hashes, so that a late charge-back still tells of which device, card and address.
    ADD COLUMN device text,
    ADD COLUMN card text,
    ADD COLUMN address text,
    ADD CONSTRAINT payments_captured CHECK (captured BETWEEN 0 AND amount),
    ADD CONSTRAINT payments_refunded CHECK (refunded BETWEEN 0 AND captured);

-- Durable calls to the gateway, carried out in the order of their ids for each payment. The id is the gateway's idempotency
-- key. 'reverse' voids what is only authorized and refunds what is captured.
CREATE TABLE payment_operations (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    kind text NOT NULL CHECK (kind IN ('capture', 'reverse', 'refund')),
    amount numeric(18, 4) NOT NULL CHECK (amount >= 0),
    reason text,
    status text NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'done', 'refused', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    epoch integer NOT NULL DEFAULT 0,  -- raised by each worker that takes it; what it then writes names the epoch
    due_at timestamptz NOT NULL,  -- real time; while it is being carried out, the end of the lease
    created_at timestamptz NOT NULL
);
CREATE INDEX payment_operations_due ON payment_operations (due_at) WHERE status = 'due';
CREATE INDEX payment_operations_by_payment ON payment_operations (payment_id, id);
CREATE UNIQUE INDEX payment_operations_one_capture ON payment_operations (payment_id)
    WHERE kind = 'capture' AND status IN ('due', 'done');

-- The orders whose history starts with a reservation that a worker may not take back while their checkout runs.
CREATE INDEX checkouts_running_by_order ON checkouts (order_id) WHERE outcome IS NULL;

-- The sandbox gateway is another company: nothing of the core reads or writes this schema, only the gateway itself.
CREATE SCHEMA sandbox_gateway;
CREATE TABLE sandbox_gateway.charges (
    reference text PRIMARY KEY,
    idempotency_key text NOT NULL UNIQUE,
    merchant_reference text NOT NULL,
    token text NOT NULL,
    amount numeric(18, 4) NOT NULL,
    currency char(3) NOT NULL,
    status text NOT NULL CHECK (status IN ('authorized', 'declined', 'captured', 'voided')),
    reason text,
    captured numeric(18, 4) NOT NULL DEFAULT 0,
    refunded numeric(18, 4) NOT NULL DEFAULT 0,
    answers_at timestamptz NOT NULL,  -- before this the outcome is still being worked on
    requests integer NOT NULL DEFAULT 1  -- how often this key was sent
);
CREATE TABLE sandbox_gateway.movements (
    idempotency_key text PRIMARY KEY,
    reference text NOT NULL REFERENCES sandbox_gateway.charges,
    kind text NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
    amount numeric(18, 4) NOT NULL,
    status text NOT NULL CHECK (status IN ('done', 'refused')),
    reason text
);
CREATE TABLE sandbox_gateway.webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body text NOT NULL,
    send_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0
);
