{#- Statuses of an order that count as revenue. -#}
{% macro sale_statuses() -%}
    ('confirmed', 'processing', 'shipped', 'delivered')
{%- endmacro %}

{#- An amount of the lake: exact, four decimals. -#}
{% macro money(expression) -%}
    cast({{ expression }} as decimal(18, 4))
{%- endmacro %}
