with lines as (
    select
        order_id,
        count(*) as lines,
        sum(quantity)::bigint as units
    from {{ ref('stg_order_lines') }}
    group by order_id
)

select
    orders.order_id,
    orders."user",
    orders.channel,
    orders.occurred_at as placed_at,
    orders.occurred_date as placed_date,
    states.status,
    states.is_sale,
    orders.currency,
    orders.total,
    coalesce(lines.lines, 0) as lines,
    coalesce(lines.units, 0) as units,
    charge_backs.charged_back_at,
    verdicts.action as fraud_action
from {{ ref('stg_orders') }} as orders
inner join {{ ref('int_order_states') }} as states using (order_id)
left join lines using (order_id)
left join {{ ref('int_charge_backs') }} as charge_backs using (order_id)
left join {{ ref('int_order_verdicts') }} as verdicts using (order_id)
