select
    event_id,
    occurred_at,
    occurred_date,
    "user",
    session,
    product_id,
    kind,
    quantity
from {{ source('silver', 'interactions') }}
where {{ has_happened() }}
