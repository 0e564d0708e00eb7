"""The schemas that attributes obey: a category's own and those of all categories above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from transactional.platform.errors import Problem

LARGEST_SCHEMA = 64 * 1024


def ancestry(path: str) -> list[str]:
    """The path and all that stand above it: "a/b/c" gives a, a/b, a/b/c."""
    slugs = path.split("/")
    return ["/".join(slugs[: depth + 1]) for depth in range(len(slugs))]


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises Problem 422 for what is no JSON Schema, or reaches outside itself."""
    if len(orjson.dumps(schema)) > LARGEST_SCHEMA:
        raise Problem(422, "bad_schema", "This schema is too large", f"At most {LARGEST_SCHEMA // 1024} KiB.")
    if any(not reference.startswith("#") for reference in _references(schema)):
        raise Problem(422, "bad_schema", "A schema may refer to itself only", "Every $ref must begin with '#'.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Problem(422, "bad_schema", "This is no JSON Schema (2020-12)", error.message[:500]) from None


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, Mapping):
        for name, inner in schema.items():
            if name in ("$ref", "$dynamicRef", "$schema", "$id") and isinstance(inner, str):
                if name in ("$ref", "$dynamicRef"):
                    yield inner
            else:
                yield from _references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)


def mistakes(category: str, attributes: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """In what the attributes do not obey the schemas (by path) that hold in a category, in words."""
    found: list[str] = []
    for path in ancestry(category):
        schema = schemas.get(path)
        if schema is not None:
            validator = _validator(orjson.dumps(schema))
            found += [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(attributes)]
    return found


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(schema))
