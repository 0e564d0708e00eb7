-- One row per product and day.
select product_id, day
from {{ ref('product_days') }}
group by product_id, day
having count(*) > 1
