{{ config(meta={'dagster': {'ref': {'name': 'stg_orders'}}}) }}
-- No line without its order and no order without lines.
select coalesce(lines.order_id, orders.order_id) as order_id
from (select distinct order_id from {{ ref('stg_order_lines') }}) as lines
full join {{ ref('stg_orders') }} as orders using (order_id)
where lines.order_id is null or orders.order_id is null
