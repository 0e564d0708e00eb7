select
    session_id,
    occurred_at,
    occurred_date,
    "user",
    session,
    ended_at,
    events,
    views,
    carts,
    orders
from {{ source('silver', 'sessions') }}
where {{ has_happened() }}
