"""All settings of Lakefront, in one place.

Every field can be set by an environment variable with the prefix ``LAKEFRONT_`` (``LAKEFRONT_DATABASE_URL``). What is not
set that way is read from ``runtime.json`` in the data folder, which ``lakefront up`` writes with the ports and addresses it
chose, so that every process, notebook and test finds the same servers. Secrets live apart, in ``lakefront.secrets``.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

CHECKOUT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The folder that holds everything Lakefront writes: ``LAKEFRONT_HOME``, by default ``var/`` in the checkout."""
    return Path(os.environ.get("LAKEFRONT_HOME") or CHECKOUT / "var").expanduser().resolve()


class RuntimeFile(PydanticBaseSettingsSource):
    """Settings that ``lakefront up`` chose (ports, addresses), read from ``runtime.json`` in the data folder."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._values().get(field_name), field_name, False

    def _values(self) -> dict[str, Any]:
        try:
            values = json.loads((data_folder() / "runtime.json").read_text())
        except FileNotFoundError:
            return {}
        known = self.settings_cls.model_fields
        return {name: value for name, value in values.items() if name in known}

    def __call__(self) -> dict[str, Any]:
        return self._values()


class Settings(BaseSettings):
    """Addresses, ports and limits. Fields without a server address mean: use the embedded one in the data folder."""

    model_config = SettingsConfigDict(env_prefix="LAKEFRONT_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default_factory=data_folder, description="Folder for everything that Lakefront writes.")

    # Servers. Empty means the embedded one, started by `lakefront up`.
    database_url: str = Field("", description="PostgreSQL, as postgresql://user:password@host:port/name.")
    bus_url: str = Field("", description="Redis that carries the event bus: append-only, never evicts.")
    store_url: str = Field("", description="Redis for caches, limits and Feast's online features.")
    lake_url: str = Field("", description="Folder or URI (s3://…) of the Delta lake; empty: lake/ in the data folder.")
    models_url: str = Field("", description="Folder of model artefacts; empty: models/ in the data folder.")

    images_url: str = Field(
        "", description="Folder or URI (s3://…) of product images; empty: images/ in the data folder."
    )
    search_url: str = Field("", description="Folder of the search index; empty: search/ in the data folder.")
    search_synonyms: str = Field("", description="File of synonyms, one group a line; empty: those that come with it.")

    host: str = Field("127.0.0.1", description="Address that the HTTP servers listen on.")
    api_port: int = 8000
    dashboards_port: int = 8001
    dagster_port: int = 3000
    dagster_code_port: int = Field(3001, description="Where Dagster's own processes ask for the definitions.")
    postgres_port: int = 5460
    bus_port: int = 6391
    store_port: int = 6392
    supervisor_port: int = 9091
    api_workers: int = Field(2, ge=1, description="Processes that answer the storefront API.")
    database_pool_size: int = Field(4, ge=1, description="PostgreSQL connections of one API worker.")

    # The bus
    bus_partitions: int = Field(4, ge=1, le=64, description="Partitions of each stream; fixed once there is data.")
    relay_poll_milliseconds: int = Field(15, ge=1)
    lake_writer_flush_seconds: float = Field(
        1.5, gt=0, description="Longest time an event waits for its bronze commit."
    )

    # Decisions in the core
    online_store_deadline_milliseconds: float = Field(50.0, gt=0, description="After this a decision falls back.")
    bus_deadline_milliseconds: float = Field(2000.0, gt=0, description="After this clickstream is refused with 503.")
    price_change_limit: float = Field(0.20, gt=0, lt=1, description="A price may differ from its base by this share.")
    price_auto_approve_limit: float = Field(0.03, ge=0, lt=1, description="Proposals below this need no person.")
    chargeback_window_days: int = Field(7, ge=1, description="Younger orders are not yet known to be honest.")

    network_ranges: str = Field("", description="CSV of network,country: where shoppers' addresses belong.")

    # Payments
    payment_gateways: str = Field(
        "", description="Gateways in use, comma-separated; empty: stripe where its key is set, else the sandboxes."
    )
    capture_policy: Literal["at_once", "on_shipment"] = Field(
        "at_once",
        description="When an authorized payment is captured; goods that are sent later are better charged later.",
    )
    stripe_secret_key: SecretStr = Field(SecretStr(""), description="Stripe's key (sk_…); empty: no Stripe.")
    stripe_webhook_secret: SecretStr = Field(SecretStr(""), description="Signs Stripe's webhooks (whsec_…).")
    stripe_api_url: str = Field("", description="Another address of Stripe's API, such as a test server's.")

    # Reviews
    reviews_auto_approve: bool = Field(False, description="Shows reviews at once; a moderator may still take one away.")

    # Caches
    cache_megabytes: int = Field(
        256, ge=1, description="Room of one API worker for answers that it keeps: some 100,000 pages of products."
    )

    # Limits and tokens
    rate_limit_per_minute: int = Field(100, ge=1, description="Requests a minute of one user or address.")
    login_limit_per_minute: int = Field(20, ge=1, description="Of these, logins and the like of one address.")
    cors_origins: str = Field(
        "", description="Origins whose pages may use the API, comma-separated, or '*'; empty: only its own."
    )
    access_token_minutes: int = Field(15, ge=1)
    refresh_token_days: int = Field(30, ge=1)
    token_keys_file: str = Field(
        "", description="Keys that sign access tokens; empty: token-keys.json in the data folder."
    )
    field_keys_file: str = Field(
        "", description="Keys that encrypt personal fields; empty: field-keys.json in the data folder."
    )
    field_keys_kms: str = Field(
        "",
        description="AWS KMS key (id, ARN or alias) that wraps the keys of that file; empty: they stand as they are.",
    )
    email_change_undo_days: int = Field(
        7, ge=1, description="For how long an account's former e-mail address can be had back."
    )
    account_deletion_grace_days: int = Field(
        14, ge=0, description="For how long logging in takes back that an account is deleted; 0: it is deleted at once."
    )

    # Sign-in through an external OpenID provider; without an issuer there is none
    openid_issuer: str = Field("", description="The provider's issuer, as its discovery document names it.")
    openid_client_id: str = Field("", description="What the provider knows Lakefront by.")
    openid_client_secret: SecretStr = Field(SecretStr(""), description="Empty: a public client, by PKCE alone.")
    openid_redirect_uri: str = Field(
        "", description="The shop's page that the provider sends the browser back to; empty: /signed-in of the API."
    )
    openid_button_label: str = Field("Sign in with OpenID", description="What the button says.")

    # Simulation
    simulation: bool = Field(False, description="Lets the clock move and trusts X-Forwarded-For from loopback.")
    simulation_lifts_rate_limit: bool = Field(True, description="Simulated accounts are not rate limited.")

    # Java and Spark
    java_home: str = Field("", description="Java 17 or 21; empty: the machine's own, else the wheel's.")
    spark_jars_folder: str = Field("", description="Folder of Delta's jars where Maven Central cannot be reached.")
    ivy_folder: str = Field("", description="Where Spark's jars are kept once fetched; empty: ivy/ in the data folder.")
    spark_master: str = "local[2]"
    spark_driver_memory: str = "1g"

    # Telemetry
    log_level: str = "INFO"
    otlp_endpoint: str = Field("", description="OpenTelemetry collector; empty: spans are only in the logs' ids.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, RuntimeFile(settings_cls)

    @property
    def lake_uri(self) -> str:
        """Root of the Delta lake, without a trailing slash."""
        return (self.lake_url or str(self.home / "lake")).rstrip("/")

    @property
    def models_folder(self) -> Path:
        """Root of the model artefacts."""
        return Path(self.models_url) if self.models_url else self.home / "models"

    @property
    def images_uri(self) -> str:
        """Root of the product images."""
        return self.images_url or str(self.home / "images")

    @property
    def search_folder(self) -> Path:
        """Root of the search index's generations."""
        return Path(self.search_url) if self.search_url else self.home / "search"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    @property
    def dashboards_url(self) -> str:
        return f"http://{self.host}:{self.dashboards_port}"

    @property
    def dagster_url(self) -> str:
        return f"http://{self.host}:{self.dagster_port}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. Tests that change the environment call ``settings.cache_clear()``."""
    return Settings()
