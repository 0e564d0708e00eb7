-- The price that was in force for most of each product's active day.
with held as (
    select
        activity.product_id,
        activity.day,
        prices.price,
        prices.base_price,
        prices.is_exploration,
        date_diff(
            'microsecond',
            greatest(prices.valid_from, activity.day::timestamptz),
            least(prices.valid_to, (activity.day + 1)::timestamptz)
        ) as microseconds
    from {{ ref('int_product_activity') }} as activity
    inner join {{ ref('int_price_intervals') }} as prices
        on activity.product_id = prices.product_id
        and prices.valid_from < (activity.day + 1)::timestamptz
        and prices.valid_to >= activity.day::timestamptz
)

select
    product_id,
    day,
    arg_max(price, microseconds) as price,
    arg_max(base_price, microseconds) as base_price,
    arg_max(is_exploration, microseconds) as is_exploration
from held
group by product_id, day
