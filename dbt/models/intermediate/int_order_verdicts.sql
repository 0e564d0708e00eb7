-- The latest verdict of fraud detection on each order.
select
    order_id,
    arg_max(decision_id, occurred_at) as decision_id,
    arg_max(action, occurred_at) as action,
    arg_max(features, occurred_at) as features
from {{ ref('stg_fraud_decisions') }}
group by order_id
