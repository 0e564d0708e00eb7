with stock_at_end as (
    select
        places.product_id,
        places.day,
        sum(stock.available)::bigint as available
    from (
        select activity.product_id, activity.day, kept.sku, kept.warehouse
        from {{ ref('int_product_activity') }} as activity
        inner join (select distinct product_id, sku, warehouse from {{ ref('int_stock_days') }}) as kept using (product_id)
    ) as places
    asof join {{ ref('int_stock_days') }} as stock
        on places.sku = stock.sku
        and places.warehouse = stock.warehouse
        and places.day >= stock.day
    group by places.product_id, places.day
)

select
    activity.product_id,
    activity.day,
    products.category_path,
    prices.price,
    prices.base_price,
    coalesce(prices.is_exploration, false) as is_exploration,
    activity.views,
    activity.carts,
    activity.units,
    activity.orders,
    activity.revenue,
    stock_at_end.available
from {{ ref('int_product_activity') }} as activity
left join {{ ref('int_product_day_prices') }} as prices using (product_id, day)
left join {{ ref('int_products_current') }} as products using (product_id)
left join stock_at_end using (product_id, day)
