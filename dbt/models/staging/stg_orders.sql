select
    event_id,
    order_id,
    occurred_at,
    occurred_date,
    "user",
    session,
    channel,
    currency,
    total,
    device,
    card,
    address
from {{ source('silver', 'orders') }}
where {{ has_happened() }}
