-- The latest status of each placed order; an order without a change is still as it was placed.
with latest as (
    select
        order_id,
        arg_max(status, sequence) as status
    from {{ ref('stg_order_statuses') }}
    group by order_id
)

select
    orders.order_id,
    coalesce(latest.status, 'pending') as status,
    coalesce(latest.status, 'pending') in {{ sale_statuses() }} as is_sale
from {{ ref('stg_orders') }} as orders
left join latest using (order_id)
