-- The latest description of each product.
select
    product_id,
    arg_max(sku, sequence) as sku,
    arg_max(title, sequence) as title,
    arg_max(category_path, sequence) as category_path,
    -- inside a struct, since arg_max passes over nulls and a brand may have been taken away
    arg_max({'brand': brand}, sequence).brand as brand,
    arg_max(currency, sequence) as currency,
    arg_max(status, sequence) as status
from {{ ref('stg_products') }}
group by product_id
