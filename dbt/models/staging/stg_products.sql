select
    event_id,
    product_id,
    occurred_at,
    sequence,
    sku,
    title,
    category_path,
    brand,
    currency,
    base_price,
    price,
    status
from {{ source('silver', 'products') }}
where {{ has_happened() }}
