-- As rows instead of an array: the planner inlines it into a FROM and asks once for each path. As an array in a WHERE it was
-- computed for every category that was looked at, which took most of a product page's query.
DROP FUNCTION category_ancestry(text);

-- 'a/b/c' stands under 'a', 'a/b' and itself.
CREATE FUNCTION category_ancestry(path text) RETURNS TABLE (path_above text) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_string((string_to_array(path, '/'))[1:depth], '/')
      FROM generate_series(1, cardinality(string_to_array(path, '/'))) AS depth
$$;
