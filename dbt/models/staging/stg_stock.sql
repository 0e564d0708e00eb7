select
    event_id,
    sku,
    product_id,
    warehouse,
    occurred_at,
    occurred_date,
    sequence,
    available
from {{ source('silver', 'stock') }}
where {{ has_happened() }}
