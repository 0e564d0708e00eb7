-- A letter about another e-mail address carries it, encrypted as the account's row would hold it: the new one that is to be
-- confirmed, or the old one that can be had back. The session is the one that asked for the change.
ALTER TABLE account_tokens
    ADD COLUMN email bytea,
    ADD COLUMN email_index bytea,
    ADD COLUMN session uuid,
    DROP CONSTRAINT account_tokens_purpose_check,
    ADD CONSTRAINT account_tokens_purpose_check
        CHECK (purpose IN ('verify_email', 'reset_password', 'change_email', 'undo_email_change')),
    ADD CONSTRAINT account_tokens_email CHECK (
        (purpose IN ('change_email', 'undo_email_change')) = (email IS NOT NULL AND email_index IS NOT NULL)),
    DROP CONSTRAINT account_tokens_user_id_purpose_key;
-- Several addresses can be had back: whoever takes an account over must not end the first one's letter by a second change.
CREATE UNIQUE INDEX account_tokens_one_of_purpose ON account_tokens (user_id, purpose) WHERE purpose <> 'undo_email_change';
CREATE INDEX account_tokens_of_user ON account_tokens (user_id);
-- An address that can be had back is nobody else's meanwhile.
CREATE UNIQUE INDEX account_tokens_kept_addresses ON account_tokens (email_index, user_id) WHERE purpose = 'undo_email_change';

-- Whose a message is, so that it can be shown to them and erased with them. It may have gone to an address that the account
-- is not known to own yet.
ALTER TABLE sandbox_messages
    ADD COLUMN user_id uuid REFERENCES users ON DELETE CASCADE,
    ADD COLUMN is_own_address boolean NOT NULL DEFAULT true;
CREATE INDEX sandbox_messages_of_user ON sandbox_messages (user_id, sent_at) WHERE user_id IS NOT NULL;

-- Accounts whose owners want them deleted. Logging in before a worker has begun takes it back. Real time.
CREATE TABLE account_deletions (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    asked_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,  -- while a worker is at it, the end of its lease
    began_at timestamptz,  -- from then on nobody logs in to the account
    held_back text  -- why it was put off
);
CREATE INDEX account_deletions_due ON account_deletions (due_at);
CREATE INDEX users_admins ON users (id) WHERE role = 'admin';

-- Deleting an account looks for what refers to it. A refresh token goes with its session, which says whose it is too.
ALTER TABLE refresh_tokens DROP CONSTRAINT refresh_tokens_user_id_fkey;
CREATE INDEX stored_values_by_user ON stored_values (user_id) WHERE user_id IS NOT NULL;
