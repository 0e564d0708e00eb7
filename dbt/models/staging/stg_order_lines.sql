select
    order_id,
    line_number,
    occurred_at,
    occurred_date,
    "user",
    product_id,
    sku,
    category_path,
    quantity,
    unit_price,
    total
from {{ source('silver', 'order_lines') }}
where {{ has_happened() }}
