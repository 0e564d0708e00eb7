-- Stock of each SKU in each warehouse at the end of each day on which it changed.
select
    sku,
    warehouse,
    arg_max(product_id, sequence) as product_id,
    occurred_date as day,
    arg_max(available, sequence) as available
from {{ ref('stg_stock') }}
group by sku, warehouse, occurred_date
