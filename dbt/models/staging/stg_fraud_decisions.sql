select
    event_id,
    decision_id,
    order_id,
    occurred_at,
    occurred_date,
    action,
    features
from {{ source('silver', 'fraud_decisions') }}
where {{ has_happened() }}
