"""The keys of personal fields wrapped by a KMS: a real server that speaks AWS's protocol, away, refusing and back again."""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import stat
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from typer.testing import CliRunner

from transactional.accounts.command import app as command
from transactional.accounts.encryption_rotation import rotate
from transactional.platform import kms
from transactional.platform.encryption import Cipher, cipher, version_of
from transactional.platform.key_follower import open_keys
from transactional.platform.key_stores import FileKeys, KeyStoreError, KeysUnavailable
from transactional.platform.kms import KmsWrapping

Create = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits as long for a service that is away as a shop does."""
    monkeypatch.setattr(kms, "_READ_SECONDS", 2)
    monkeypatch.setattr(kms, "_TRIES", 1)


@pytest.fixture
def kms_key(aws_environment: Any) -> str:
    """A KMS key of the test's own."""
    return str(aws_environment.kms_key())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "field-keys.json"


@pytest.fixture
def process(path: Path, kms_key: str) -> Callable[[], FileKeys]:
    """``process()``: the keys as another process that starts now has them."""
    return lambda: FileKeys(path, KmsWrapping(kms_key))


@pytest.fixture
def chosen(settings_with: Any, path: Path, kms_key: str) -> Iterator[None]:
    """The settings name the KMS key and the test's file."""
    with settings_with(LAKEFRONT_FIELD_KEYS_FILE=str(path), LAKEFRONT_FIELD_KEYS_KMS=kms_key):
        cipher.cache_clear()
        yield
    cipher.cache_clear()


def entries(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())["keys"]
    return found


def put_entries(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps({"keys": found}))


def test_the_file_holds_no_key_that_is_of_use_without_the_kms(process: Callable[[], FileKeys], path: Path) -> None:
    store = process()
    store.add()
    keys = store.keys()
    assert sorted(keys) == [1, 2]
    text = path.read_bytes()
    for key in keys.values():
        assert len(key) == 32
        assert key not in text
        assert base64.b64encode(key).strip(b"=") not in text
        assert key.hex().encode() not in text
    wrapped = [base64.b64decode(entry["wrapped"]) for entry in entries(path).values()]
    assert not any(key in blob for key in keys.values() for blob in wrapped)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyStoreError, match=r"wrapped by the KMS key arn:aws:kms:.*LAKEFRONT_FIELD_KEYS_KMS"):
        FileKeys(path).keys()


def test_what_one_process_encrypts_another_reads_through_the_kms(process: Callable[[], FileKeys]) -> None:
    mine, other = Cipher(process()), Cipher(process())
    old = mine.encrypt("a street", "here:1")
    other.store.add()
    fresh = other.encrypt("another street", "here:2")
    assert (version_of(old), version_of(fresh)) == (1, 2)
    assert (mine.decrypt(fresh, "here:2"), other.decrypt(old, "here:1")) == ("another street", "a street")


def test_each_key_is_unwrapped_once_a_process(process: Callable[[], FileKeys], aws: Any) -> None:
    process().add()
    store = process()
    store.refresh()
    with aws.away():
        for _ in range(3):
            store.refresh()
        assert sorted(store.keys()) == [1, 2]


@pytest.mark.parametrize("where", [0, 40, -1])
def test_a_wrapped_key_that_was_altered_is_refused(process: Callable[[], FileKeys], path: Path, where: int) -> None:
    process().keys()
    found = entries(path)
    blob = bytearray(base64.b64decode(found["1"]["wrapped"]))
    blob[where] ^= 1
    found["1"]["wrapped"] = base64.b64encode(blob).decode()
    put_entries(path, found)
    with pytest.raises(KeyStoreError, match="does not decrypt key 1"):
        process().keys()


def test_a_wrapped_key_is_not_taken_for_another_version(process: Callable[[], FileKeys], path: Path) -> None:
    process().add()
    found = entries(path)
    put_entries(path, {"1": found["2"], "2": found["1"]})
    with pytest.raises(KeyStoreError, match="InvalidCiphertextException"):
        process().keys()


def test_a_key_that_another_kms_key_wrapped_is_refused(process: Callable[[], FileKeys], path: Path, aws: Any) -> None:
    process().keys()
    FileKeys(path.with_name("theirs.json"), KmsWrapping(aws.kms_key())).add()
    put_entries(path, {**entries(path), "2": entries(path.with_name("theirs.json"))["2"]})
    store = process()
    with pytest.raises(KeyStoreError, match="AccessDeniedException"):
        store.keys()
    assert sorted(store.keys()) == [1]


def test_a_key_in_the_clear_is_not_taken_beside_wrapped_ones(process: Callable[[], FileKeys], path: Path) -> None:
    running = process()
    running.keys()
    put_entries(path, {**entries(path), "2": base64.b64encode(b"k" * 32).decode()})
    with pytest.raises(KeyStoreError, match=r"key 2 in .* stands in the clear"):
        process().keys()
    with pytest.raises(KeyStoreError, match="stands in the clear"):
        running.add()
    assert sorted(running.keys()) == [1]


def test_while_the_kms_is_away_whoever_has_keys_goes_on(process: Callable[[], FileKeys], aws: Any) -> None:
    running = Cipher(process())
    before = running.encrypt("a street", "here:1")
    process().add()
    with aws.away():
        assert running.decrypt(running.encrypt("a field", "here:2"), "here:2") == "a field"
        with pytest.raises(KeysUnavailable, match="LAKEFRONT_FIELD_KEYS_KMS"):
            process().keys()
        with pytest.raises(KeysUnavailable):
            running.store.refresh()
        assert running.decrypt(before, "here:1") == "a street"
        began = time.monotonic()
        with pytest.raises(KeysUnavailable):  # told at once: nobody asks the service for as long as it was just away
            running.store.keys(2)
        assert time.monotonic() - began < 1
    running.store.refresh()
    assert version_of(running.encrypt("a field", "here:2")) == 2


def test_nothing_is_written_while_the_kms_is_away(process: Callable[[], FileKeys], path: Path, aws: Any) -> None:
    store = process()
    with aws.away(), pytest.raises(KeysUnavailable):
        store.keys()
    assert not path.exists()
    store.refresh()
    store.keys()
    before = path.read_bytes()
    with aws.away(), pytest.raises(KeysUnavailable):
        store.add()
    assert path.read_bytes() == before


def test_a_kms_key_that_does_not_exist_is_named_with_its_setting(aws_environment: Any, path: Path) -> None:
    with pytest.raises(KeyStoreError, match=r"LAKEFRONT_FIELD_KEYS_KMS=alias/none: .*NotFoundException"):
        FileKeys(path, KmsWrapping("alias/none")).keys()


def test_who_may_not_ask_the_kms_is_told_so(process: Callable[[], FileKeys], aws: Any) -> None:
    process().keys()
    with aws.authorizing(), pytest.raises(KeyStoreError, match="LAKEFRONT_FIELD_KEYS_KMS") as refused:
        process().keys()
    assert not isinstance(refused.value, KeysUnavailable)


def test_a_region_that_is_not_named_is_asked_for(path: Path, kms_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path.with_name("none")))
    with pytest.raises(KeyStoreError, match="AWS_REGION"):
        FileKeys(path, KmsWrapping(kms_key)).keys()


def test_a_client_library_that_is_missing_is_asked_for(kms_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(KeyStoreError, match="LAKEFRONT_FIELD_KEYS_KMS is set: install boto3"):
        KmsWrapping(kms_key)


def test_an_alias_names_a_kms_key_too(process: Callable[[], FileKeys], path: Path, kms_key: str, aws: Any) -> None:
    alias = f"alias/{kms_key.rpartition('/')[2]}"
    aws.client("kms").create_alias(AliasName=alias, TargetKeyId=kms_key)
    assert FileKeys(path, KmsWrapping(alias)).keys() == process().keys()
    assert entries(path)["1"]["by"] == kms_key


def _add_keys(path: Path, kms_key: str, start: Any) -> None:
    start.wait()
    for _ in range(3):
        FileKeys(path, KmsWrapping(kms_key)).add()


def test_processes_that_add_wrapped_keys_at_once_lose_none(
    process: Callable[[], FileKeys], path: Path, kms_key: str
) -> None:
    field = Cipher(process()).encrypt("a street", "here:1")
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    workers = [context.Process(target=_add_keys, args=(path, kms_key, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    keys = process().keys()
    assert sorted(keys) == list(range(1, 8))
    assert len(set(keys.values())) == 7
    assert Cipher(process()).decrypt(field, "here:1") == "a street"


def test_an_announced_key_is_known_before_anybody_writes_under_it(process: Callable[[], FileKeys], path: Path) -> None:
    mine, other = Cipher(process()), Cipher(process())
    other.encrypt("a field", "here:1")
    assert mine.store.add(announced=60) == 2
    other.store.refresh()
    assert [sorted(each.store.keys()) for each in (mine, other)] == [[1, 2], [1, 2]]
    assert [version_of(each.encrypt("a field", "here:1")) for each in (mine, other)] == [1, 1]
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "used_from": {"2": stored["used_from"]["2"] - 61}}))
    other.store.refresh()
    assert version_of(other.encrypt("a field", "here:1")) == 2


def test_a_plain_file_is_wrapped_wrapped_anew_and_made_plain_again(
    path: Path, settings_with: Any, kms_key: str, aws: Any
) -> None:
    running = FileKeys(path)
    running.add()
    keys = dict(running.keys())
    plain = path.read_bytes()
    other_key = aws.kms_key()

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    with settings_with(LAKEFRONT_FIELD_KEYS_FILE=str(path), LAKEFRONT_FIELD_KEYS_KMS=kms_key):
        assert f"2 keys in {path} are wrapped by {kms_key}" in run("wrap-field-keys")
        assert not any(base64.b64encode(key) in path.read_bytes() for key in keys.values())
        running.refresh()  # a process that was started without the setting goes on
        assert running.keys() == keys
        assert FileKeys(path, KmsWrapping(kms_key)).keys() == keys
        twice = CliRunner().invoke(command, ["wrap-field-keys"])
        assert twice.exit_code == 2
        assert "--from" in twice.output
    with settings_with(LAKEFRONT_FIELD_KEYS_FILE=str(path), LAKEFRONT_FIELD_KEYS_KMS=other_key):
        run("wrap-field-keys", "--from", kms_key)
        assert {entry["by"] for entry in entries(path).values()} == {other_key}
        assert FileKeys(path, KmsWrapping(other_key)).keys() == keys
        assert "2 keys stand in" in run("unwrap-field-keys")
    assert FileKeys(path).keys() == keys
    assert entries(path) == json.loads(plain)["keys"]


def test_a_move_that_fails_leaves_the_file_as_it_was(path: Path, settings_with: Any, kms_key: str, aws: Any) -> None:
    FileKeys(path).add()
    before = path.read_bytes()
    with settings_with(LAKEFRONT_FIELD_KEYS_FILE=str(path), LAKEFRONT_FIELD_KEYS_KMS=kms_key), aws.away():
        done = CliRunner().invoke(command, ["wrap-field-keys"])
    assert done.exit_code == 2
    assert "The keys cannot be had" in done.output
    assert path.read_bytes() == before


def test_the_commands_ask_for_the_setting() -> None:
    for name in ("wrap-field-keys", "unwrap-field-keys"):
        done = CliRunner().invoke(command, [name])
        assert (done.exit_code, "LAKEFRONT_FIELD_KEYS_KMS" in done.output) == (2, True)


async def test_a_worker_that_starts_while_the_kms_is_away_says_so_and_goes_on_when_it_is_back(
    chosen: None, aws: Any
) -> None:
    with structlog.testing.capture_logs() as logs:
        with aws.away():
            starting = asyncio.create_task(open_keys(None))  # type: ignore[arg-type]
            while not logs:
                await asyncio.sleep(0.05)
            assert not starting.done()
        await asyncio.wait_for(starting, 30)
    assert logs[0]["event"] == "field_keys_not_opened"
    assert "LAKEFRONT_FIELD_KEYS_KMS=arn:aws:kms:" in logs[0]["error"]
    assert sorted(cipher().store.keys()) == [1]


@pytest_asyncio.fixture
async def shop_with_kms(
    chosen: None, settings_with: Any, new_database: Any, migrated_template: str, bus_url: str, store_url: str
) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """The application on a database of its own, whose personal fields nobody else has written."""
    from transactional.app import create_app

    with settings_with(LAKEFRONT_DATABASE_URL=new_database(migrated_template)):
        application = create_app()
        async with application.router.lifespan_context(application):
            transport = httpx.ASGITransport(app=application, client=("172.31.9.9", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                yield application.state.core, client


async def test_the_shop_lives_through_a_rotation_and_through_a_kms_that_is_away(
    shop_with_kms: tuple[Any, httpx.AsyncClient], path: Path, kms_key: str, aws: Any
) -> None:
    core, client = shop_with_kms
    person = {"email": "ada@example.com", "password": "correct horse battery", "name": "Ada"}
    opened = (await client.post("/api/v1/auth/register", json=person)).json()
    headers = {"Authorization": f"Bearer {opened['access_token']}"}

    async def name_and_version() -> tuple[str, int]:
        async with core.db.connection() as connection:
            found = await connection.execute("SELECT name FROM users WHERE id = %s", [opened["user_id"]])
            ((field,),) = await found.fetchall()
        shown = await client.get("/api/v1/users/profile", headers=headers)
        return shown.json()["name"], version_of(bytes(field))

    assert await name_and_version() == ("Ada", 1)
    rotating = Cipher(FileKeys(path, KmsWrapping(kms_key)))  # as the command, in a process of its own
    version, renewed = await rotate(core.db, rotating)
    assert (version, renewed) == (2, 4)  # address and name of Ada and of the first merchandiser
    with aws.away():  # the worker has opened the new key without having been asked for it
        assert await name_and_version() == ("Ada", 2)
        changed = await client.put("/api/v1/users/profile", json={"name": "Countess"}, headers=headers)
        assert changed.status_code == 200
        assert await name_and_version() == ("Countess", 2)


async def test_a_field_whose_key_cannot_be_had_is_answered_with_503(
    shop_with_kms: tuple[Any, httpx.AsyncClient], path: Path, kms_key: str, aws: Any
) -> None:
    core, client = shop_with_kms
    person = {"email": "bob@example.com", "password": "correct horse battery", "name": "Bob"}
    opened = (await client.post("/api/v1/auth/register", json=person)).json()
    headers = {"Authorization": f"Bearer {opened['access_token']}"}
    other = Cipher(FileKeys(path, KmsWrapping(kms_key)))
    other.store.keys()
    with aws.away():
        other.store._keys = {**other.store.keys(), 2: b"k" * 32}  # type: ignore[attr-defined]
        put_entries(path, {**entries(path), "2": entries(path)["1"]})
        field = other.encrypt("Bobby", f"users.name:{opened['user_id']}")
        async with core.db.connection() as connection:
            await connection.execute("UPDATE users SET name = %s WHERE id = %s", [field, opened["user_id"]])
        answer = await client.get("/api/v1/users/profile", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
    assert answer.headers["Retry-After"] == "2"
