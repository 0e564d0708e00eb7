{#- Business time at which the marts are taken. -#}
{% macro as_of() -%}
    timestamptz '{{ var("as_of") }}'
{%- endmacro %}

{#- True while the row had happened at that time. -#}
{% macro has_happened() -%}
    occurred_at <= {{ as_of() }}
{%- endmacro %}
