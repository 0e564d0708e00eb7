with selling as (
    select
        placed_date as day,
        count(*) as orders,
        {{ money('coalesce(sum(total) filter (where is_sale), 0)') }} as revenue,
        coalesce(sum(units) filter (where is_sale), 0)::bigint as units,
        (avg(total) filter (where is_sale))::double as average_order_value,
        count(*) filter (where fraud_action = 'decline') as declined,
        count(*) filter (where fraud_action = 'review') as reviewed
    from {{ ref('orders') }}
    group by placed_date
),

visiting as (
    select
        occurred_date as day,
        count(distinct session) as visitors,
        count(*) as sessions,
        count(*) filter (where orders > 0) as buying_sessions
    from {{ ref('stg_sessions') }}
    group by occurred_date
),

viewing as (
    select occurred_date as day, count(*) as views
    from {{ ref('stg_interactions') }}
    where kind = 'view'
    group by occurred_date
),

every_day as (
    select day from selling
    union
    select day from visiting
    union
    select day from viewing
)

select
    every_day.day,
    coalesce(selling.orders, 0) as orders,
    coalesce(selling.revenue, 0) as revenue,
    coalesce(selling.units, 0) as units,
    coalesce(visiting.visitors, 0) as visitors,
    coalesce(visiting.sessions, 0) as sessions,
    coalesce(visiting.buying_sessions, 0) as buying_sessions,
    coalesce(viewing.views, 0) as views,
    visiting.buying_sessions / nullif(visiting.sessions, 0) as conversion,
    selling.average_order_value,
    coalesce(selling.declined, 0) as declined,
    coalesce(selling.reviewed, 0) as reviewed
from every_day
left join selling using (day)
left join visiting using (day)
left join viewing using (day)
