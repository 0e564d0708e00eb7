{{ config(meta={'dagster': {'ref': {'name': 'days'}}}) }}
-- The days' orders and revenue are the orders', to the cent.
select days.orders, days.revenue, orders.orders as expected_orders, orders.revenue as expected_revenue
from (select coalesce(sum(orders), 0) as orders, coalesce(sum(revenue), 0) as revenue from {{ ref('days') }}) as days,
    (
        select count(*) as orders, coalesce(sum(total) filter (where is_sale), 0) as revenue
        from {{ ref('orders') }}
    ) as orders
where days.orders <> orders.orders or days.revenue <> orders.revenue
