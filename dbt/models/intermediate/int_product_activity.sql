-- What happened to each product on each business day on which anything did: views, carts and sales.
with shopping as (
    select
        product_id,
        occurred_date as day,
        count(*) filter (where kind = 'view') as views,
        count(*) filter (where kind = 'cart') as carts,
        0 as units,
        0 as orders,
        {{ money('0') }} as revenue
    from {{ ref('stg_interactions') }}
    where kind in ('view', 'cart')
    group by product_id, occurred_date
),

selling as (
    select
        lines.product_id,
        lines.occurred_date as day,
        0 as views,
        0 as carts,
        coalesce(sum(lines.quantity) filter (where states.is_sale), 0) as units,
        count(distinct lines.order_id) filter (where states.is_sale) as orders,
        coalesce(sum(lines.total) filter (where states.is_sale), 0) as revenue
    from {{ ref('stg_order_lines') }} as lines
    inner join {{ ref('int_order_states') }} as states using (order_id)
    group by lines.product_id, lines.occurred_date
)

select
    product_id,
    day,
    sum(views)::bigint as views,
    sum(carts)::bigint as carts,
    sum(units)::bigint as units,
    sum(orders)::bigint as orders,
    {{ money('sum(revenue)') }} as revenue
from (
    select * from shopping
    union all
    select * from selling
)
group by product_id, day
