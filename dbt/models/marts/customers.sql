select
    "user",
    min(placed_at) as first_order_at,
    max(placed_at) as last_order_at,
    count(*) filter (where is_sale) as orders,
    {{ money('coalesce(sum(total) filter (where is_sale), 0)') }} as spend,
    (avg(total) filter (where is_sale))::double as average_order_value,
    count(*) filter (where is_sale and placed_at > {{ as_of() }} - interval 90 day) as orders_90d,
    count(charged_back_at) as chargebacks,
    {{ as_of() }} as as_of
from {{ ref('orders') }}
where "user" is not null
group by "user"
