select
    event_id,
    payment_id,
    order_id,
    occurred_at,
    sequence,
    status,
    amount
from {{ source('silver', 'payments') }}
where {{ has_happened() }}
