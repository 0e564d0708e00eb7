-- Orders whose payment was charged back, and when that became known.
select
    order_id,
    min(occurred_at) as charged_back_at
from {{ ref('stg_payments') }}
where status = 'charged_back'
group by order_id
