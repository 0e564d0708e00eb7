with prices as (
    select
        product_id,
        arg_max(base_price, valid_from) as base_price,
        arg_max(price, valid_from) as price
    from {{ ref('int_price_intervals') }}
    group by product_id
),

stock as (
    select product_id, sum(available)::bigint as available
    from (
        select sku, warehouse, arg_max(product_id, day) as product_id, arg_max(available, day) as available
        from {{ ref('int_stock_days') }}
        group by sku, warehouse
    )
    group by product_id
),

recent as (
    select
        product_id,
        sum(views)::bigint as views,
        sum(units)::bigint as units,
        {{ money('sum(revenue)') }} as revenue
    from {{ ref('int_product_activity') }}
    where day > ({{ as_of() }})::date - 30
    group by product_id
)

select
    products.product_id,
    products.sku,
    products.title,
    products.category_path,
    products.brand,
    products.currency,
    prices.base_price,
    prices.price,
    case when products.status = 'active' then coalesce(stock.available, 0) else 0 end as available,
    coalesce(recent.views, 0) as views_30d,
    coalesce(recent.units, 0) as units_30d,
    coalesce(recent.revenue, 0) as revenue_30d
from {{ ref('int_products_current') }} as products
left join prices using (product_id)
left join stock using (product_id)
left join recent using (product_id)
