select
    event_id,
    order_id,
    occurred_at,
    sequence,
    status,
    reason
from {{ source('silver', 'order_statuses') }}
where {{ has_happened() }}
