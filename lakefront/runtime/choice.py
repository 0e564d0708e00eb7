"""What this run of Lakefront uses: the ports and addresses chosen from the wishes, kept in ``runtime.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from lakefront.runtime import ports, postgres, redis_server
from lakefront.secrets import load_secrets
from lakefront.settings import Settings


class PortTaken(RuntimeError):
    """A port that a setting asks for is in use by another program; the message names the setting."""


class Wishes(Settings):
    """The settings of the environment alone, without what an earlier run chose."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings


def choose(wishes: Wishes, say: Callable[[str], None]) -> Settings:
    """Take the wished ports or the next free ones, and fill in the addresses of the embedded servers."""
    wanted = {
        "postgres_port": not wishes.database_url,
        "bus_port": not wishes.bus_url,
        "store_port": not wishes.store_url,
        "api_port": True,
        "dashboards_port": True,
        "dagster_port": True,
        "dagster_code_port": True,
        "supervisor_port": True,
    }
    names = [name for name, is_wanted in wanted.items() if is_wanted]
    taken: dict[str, int] = {}
    for name in names:
        # What gives way to another program must not take the place of another process of ours.
        others = {int(getattr(wishes, other)) for other in names if other != name}
        taken[name] = _port(wishes, name, set(taken.values()), others, say)
    values = {**wishes.model_dump(), **taken}
    if not wishes.database_url:
        values["database_url"] = postgres.url(taken["postgres_port"], load_secrets(wishes.home).database_password)
    if not wishes.bus_url:
        values["bus_url"] = redis_server.url(taken["bus_port"])
    if not wishes.store_url:
        values["store_url"] = redis_server.url(taken["store_port"])
    return Wishes(**values)


def _port(wishes: Wishes, name: str, taken: set[int], others: set[int], say: Callable[[str], None]) -> int:
    wished: int = getattr(wishes, name)
    host = wishes.host if name in ("api_port", "dashboards_port", "dagster_port") else "127.0.0.1"
    if wished not in taken and ports.is_free(wished, host):
        return wished
    setting = f"LAKEFRONT_{name.upper()}"
    if name in wishes.model_fields_set:
        raise PortTaken(f"port {wished} is taken already: give {setting} another value")
    port = ports.next_free(wished + 1, host, taken=taken | others)
    say(f"port {wished} is taken: using {port} ({setting} sets it)")
    return port


def write(chosen: Settings) -> None:
    """Keep the choice, so that every process, notebook and test finds the same servers. It holds passwords: mode 0600."""
    path = file_of(chosen.home)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = chosen.model_dump(mode="json", exclude_defaults=True)
    values.pop("home", None)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(values, indent=1))
    draft.replace(path)


def file_of(home: Path) -> Path:
    return home / "runtime.json"
