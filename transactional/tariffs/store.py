"""SQL of the tariffs. They are read whole and kept in the process; what is loaded replaces what its key names."""

from __future__ import annotations

# Everything that a quote needs besides products, in one statement. Amounts are text, so that none becomes a float.
SNAPSHOT = """
SELECT (SELECT coalesce(json_agg(json_build_object(
                   'code', code, 'currency', currency, 'base_cost', base_cost::text,
                   'cost_per_100_km', cost_per_100_km::text, 'free_from', free_from::text, 'most_km', most_km,
                   'crosses_borders', crosses_borders, 'handling_days', handling_days, 'km_per_day', km_per_day,
                   'customs_days', customs_days, 'cutoff_hour', cutoff_hour, 'only_today', only_today)
                   ORDER BY position), '[]') FROM shipping_services WHERE enabled) AS services,
       (SELECT coalesce(json_agg(json_build_object(
                   'country', country, 'region', region, 'category', category, 'rate', rate::text,
                   'is_inclusive', is_inclusive, 'on_shipping', on_shipping)), '[]') FROM tax_rates) AS taxes,
       (SELECT coalesce(json_agg(json_build_object(
                   'country', country, 'category', category, 'rate', rate::text, 'threshold', threshold::text,
                   'currency', currency)), '[]') FROM duty_rates) AS duties,
       (SELECT coalesce(json_object_agg(currency, per_euro), '{}')
          FROM (SELECT DISTINCT ON (currency) currency, per_euro::text FROM exchange_rates
                 WHERE valid_on <= %(today)s ORDER BY currency, valid_on DESC) latest) AS per_euro,
       (SELECT coalesce(json_object_agg(code, json_build_array(country, latitude, longitude)), '{}')
          FROM warehouses) AS warehouses
"""

ADD_EXCHANGE_RATES = """
INSERT INTO exchange_rates (currency, valid_on, per_euro)
SELECT * FROM unnest(%(currencies)s::text[], %(days)s::date[], %(rates)s::numeric[])
ON CONFLICT (currency, valid_on) DO UPDATE SET per_euro = excluded.per_euro
"""

REMOVE_TAXES = "DELETE FROM tax_rates WHERE country = ANY(%(countries)s::text[])"
ADD_TAXES = """
INSERT INTO tax_rates (country, region, category, rate, is_inclusive, on_shipping)
SELECT * FROM unnest(%(country)s::text[], %(region)s::text[], %(category)s::text[], %(rate)s::numeric[],
                     %(is_inclusive)s::boolean[], %(on_shipping)s::boolean[])
"""

REMOVE_DUTIES = "DELETE FROM duty_rates WHERE country = ANY(%(countries)s::text[])"
ADD_DUTIES = """
INSERT INTO duty_rates (country, category, rate, threshold, currency)
SELECT * FROM unnest(%(country)s::text[], %(category)s::text[], %(rate)s::numeric[], %(threshold)s::numeric[],
                     %(currency)s::text[])
"""

SET_SHIPPING = """
UPDATE shipping_services s
   SET currency = n.currency, base_cost = n.base_cost, cost_per_100_km = n.cost_per_100_km, free_from = n.free_from,
       most_km = n.most_km, crosses_borders = n.crosses_borders, handling_days = n.handling_days,
       km_per_day = n.km_per_day, customs_days = n.customs_days, cutoff_hour = n.cutoff_hour, enabled = n.enabled
  FROM unnest(%(code)s::text[], %(currency)s::text[], %(base_cost)s::numeric[], %(cost_per_100_km)s::numeric[],
              %(free_from)s::numeric[], %(most_km)s::int[], %(crosses_borders)s::boolean[], %(handling_days)s::int[],
              %(km_per_day)s::int[], %(customs_days)s::int[], %(cutoff_hour)s::int[], %(enabled)s::boolean[])
    AS n (code, currency, base_cost, cost_per_100_km, free_from, most_km, crosses_borders, handling_days, km_per_day,
          customs_days, cutoff_hour, enabled)
 WHERE s.code = n.code
RETURNING s.code
"""
