"""The whole API against its own OpenAPI document: whatever is sent, no 5xx, and no answer that is not described.

Requests are drawn by schemathesis from the document, valid ones and broken ones, and sent to a real server as an
administrator; each answer's status, content type and body have to be what the document says of them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
import schemathesis
from api_server import Server, serving
from hypothesis import HealthCheck, settings
from psycopg import sql
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lakefront.ids import new_id
from lakefront.secrets import load_secrets
from transactional.platform.examples import EXAMPLE_PRODUCT_ID

EXAMPLES = 6
COLUMNS_OF_PRODUCTS = """
SELECT c.table_name, c.column_name FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND c.column_name = 'product_id' AND t.table_type = 'BASE TABLE'
"""
PASSWORD = "correct horse battery"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# A request to end sessions would end the one that all others are sent with.
OF_OWN_ACCOUNT = (
    "/auth/sessions",
    "/users/password",
    "/users/second-factor",
    "/users/email",
    "/users/deletion",
    "/users/export",
    "/role",
)


@pytest.fixture(scope="module")
def server(
    new_database: Callable[..., str],
    migrated_template: str,
    bus_url: str,
    store_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("api")
    limits = {"LAKEFRONT_RATE_LIMIT_PER_MINUTE": "1000000", "LAKEFRONT_SIMULATION": "true"}
    with serving(home, new_database(migrated_template), bus_url, store_url, **limits) as started:
        sell_the_example(started)
        rebuild = [sys.executable, "-m", "lakefront.cli", "search", "rebuild"]
        subprocess.run(rebuild, env=started.environment, check=True, capture_output=True, timeout=60)
        yield started


def sell_the_example(server: Server) -> None:
    """The product that the document's examples name."""
    key = {"X-Internal-Key": load_secrets(server.home).internal_key}
    product = {"sku": "EXAMPLE", "title": "Example", "category": "tests", "price": "5.00", "stock": {"main": 1000}}
    body = {"products": [product]}
    listed = httpx.post(f"{server.url}/api/v1/products", json=body, headers=key).raise_for_status().json()
    with psycopg.connect(server.environment["LAKEFRONT_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # the keys that point to it change with it
        named = connection.execute(COLUMNS_OF_PRODUCTS).fetchall()
        for table, column in [*named, ("products", "id")]:
            statement = sql.SQL("UPDATE {0} SET {1} = %s WHERE {1} = %s")
            change = statement.format(sql.Identifier(table), sql.Identifier(column))
            connection.execute(change, [EXAMPLE_PRODUCT_ID, listed["items"][0]["product_id"]])


def administrator(server: Server) -> dict[str, str]:
    """Headers of an administrator's new account."""
    key = {"X-Internal-Key": load_secrets(server.home).internal_key}
    credentials = {"email": f"admin-{new_id().hex}@example.com", "password": PASSWORD}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=key) as shop:
        user = shop.post("/auth/register", json=credentials).raise_for_status().json()["user_id"]
        shop.put(f"/users/{user}/role", json={"role": "admin"}).raise_for_status()
        token = shop.post("/auth/login", json=credentials).raise_for_status().json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def everybodys(server: Server) -> dict[str, str]:
    """The account that most requests are sent with."""
    return administrator(server)


def document() -> dict[str, Any]:
    """The OpenAPI document, which needs no server."""
    from transactional.app import create_app

    return create_app().openapi()


api = schemathesis.openapi.from_dict(document())


@api.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_an_operation_answers_as_described(case: schemathesis.Case, server: Server, everybodys: dict[str, str]) -> None:
    own = case.path.removeprefix("/api/v1").startswith(OF_OWN_ACCOUNT)
    headers = administrator(server) if own else everybodys
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS)
