select
    event_id,
    product_id,
    occurred_at,
    sequence,
    base_price,
    price,
    factor,
    reason
from {{ source('silver', 'prices') }}
where {{ has_happened() }}
