select
    orders.order_id,
    verdicts.decision_id,
    orders.occurred_at as placed_at,
    orders."user",
    orders.device,
    orders.card,
    orders.address,
    orders.total,
    verdicts.action,
    states.is_sale,
    case when verdicts.features not in ('', '{}', 'null') then verdicts.features end as features,
    charge_backs.charged_back_at
from {{ ref('stg_orders') }} as orders
inner join {{ ref('int_order_states') }} as states using (order_id)
left join {{ ref('int_order_verdicts') }} as verdicts using (order_id)
left join {{ ref('int_charge_backs') }} as charge_backs using (order_id)
where orders.channel = 'shop'
