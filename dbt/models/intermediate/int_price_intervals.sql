-- When which price was in force. A product's listing carries its price too, so that a product whose price never changed has
-- one; a later change of its description says the price of then, and nothing of why it is so. Of several versions at one
-- moment the last counts. The first known price also holds before it.
with versions as (
    select product_id, occurred_at, sequence, base_price, price, reason, 1 as precedence
    from {{ ref('stg_prices') }}
    union all
    select product_id, occurred_at, sequence, base_price, price, null as reason, 0 as precedence
    from {{ ref('stg_products') }}
),

moments as (
    select
        product_id,
        occurred_at,
        arg_max(
            {'base_price': base_price, 'price': price, 'reason': reason}, {'sequence': sequence, 'precedence': precedence}
        ) as in_force
    from versions
    group by product_id, occurred_at
)

select
    product_id,
    in_force.base_price as base_price,
    in_force.price as price,
    coalesce(
        last_value(in_force.reason ignore nulls) over (partition by product_id order by occurred_at) = 'exploration', false
    ) as is_exploration,
    case
        when row_number() over (partition by product_id order by occurred_at) = 1 then timestamptz '1970-01-01 00:00:00Z'
        else occurred_at
    end as valid_from,
    coalesce(lead(occurred_at) over (partition by product_id order by occurred_at), {{ as_of() }}) as valid_to
from moments
