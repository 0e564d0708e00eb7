{{ config(meta={'dagster': {'ref': {'name': 'product_days'}}}) }}
-- The product days' units and revenue are those of the sold lines, to the cent.
select products.units, products.revenue, lines.units as expected_units, lines.revenue as expected_revenue
from (
    select coalesce(sum(units), 0) as units, coalesce(sum(revenue), 0) as revenue from {{ ref('product_days') }}
) as products,
    (
        select coalesce(sum(quantity), 0) as units, coalesce(sum(total), 0) as revenue
        from {{ ref('stg_order_lines') }}
        inner join {{ ref('int_order_states') }} as states using (order_id)
        where states.is_sale
    ) as lines
where products.units <> lines.units or products.revenue <> lines.revenue
