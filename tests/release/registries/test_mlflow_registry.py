from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.errors import Failed, InvalidInput
from components.core.store import Store
from components.release.registries.mlflow_registry import MlflowRegistry
from components.release.registries.registry import find_version, folder_address, open_registry


def test_more_versions_than_a_page_holds_are_all_read(file_address, model, monkeypatch) -> None:
    monkeypatch.setattr("components.release.registries.mlflow_registry.PAGE", 2)
    registry = MlflowRegistry(file_address)
    for name in ("one", "two", "three"):
        for weights in "abcde":
            registry.register(name, name, model(weights), "/m")
    assert len(registry.versions()) == 15
    assert [version.version for version in registry.versions("two")] == [1, 2, 3, 4, 5]


def test_no_address_is_no_registry() -> None:
    assert open_registry("") is None


@pytest.mark.parametrize(
    "address",
    ["mlflow.db", "sqlite://x", "sqlite:///", "ftp://host", "databricks", "http://", "http://[bad", "http://h:99999"],
)
def test_an_address_of_another_kind_or_none_at_all_is_refused(address) -> None:
    with pytest.raises(InvalidInput, match="write sqlite:///PATH, the address of an MLflow server"):
        open_registry(address)


def test_a_file_that_nobody_made_yet_holds_no_versions_and_is_not_made_by_looking(tmp_path) -> None:
    assert MlflowRegistry(f"sqlite:///{tmp_path}/none.db").versions() == []
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_nobody_started_is_told_in_a_sentence() -> None:
    with pytest.raises(Failed, match=r"^registry http://127.0.0.1:9: does not answer; start it, or name another"):
        MlflowRegistry("http://127.0.0.1:9").versions()


def test_a_server_of_another_kind_is_told_in_a_sentence(tmp_path) -> None:
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *given: object) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with pytest.raises(Failed, match="answers, but is no MLflow server"):
            MlflowRegistry(f"http://127.0.0.1:{other.server_port}").versions()
        other.shutdown()


@pytest.mark.parametrize("damage", ["overwritten", "a folder", "cut"])
def test_a_damaged_file_is_told_in_a_sentence(damage, file_address, model) -> None:
    path = Path(file_address.removeprefix("sqlite:///"))
    MlflowRegistry(file_address).register("desk", "desk", model("a"), "/m")
    if damage == "overwritten":
        path.write_bytes(b"no database at all" * 100)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(Failed, match=f"registry {file_address}: "):
        MlflowRegistry(file_address).versions()


def test_a_folder_where_nobody_may_write_is_told_in_a_sentence(model) -> None:
    with pytest.raises(Failed, match=r"registry sqlite:////proc/none/mlflow.db: "):
        MlflowRegistry("sqlite:////proc/none/mlflow.db").register("desk", "desk", model("a"), "/m")


def test_a_version_is_found_by_alias_and_by_number(file_address, model) -> None:
    registry = MlflowRegistry(file_address)
    for weights in "ab":
        registry.register("desk", "desk", model(weights), "/m")
    registry.set_alias("desk", "champion", 2)
    versions = registry.versions()
    assert find_version(versions, "desk@champion") == find_version(versions, "desk/2") == versions[1]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("desk@champoin", "desk has no alias 'champoin'; did you mean champion?"),
        ("desk@shadow", "desk has no alias 'shadow'; there are: champion"),
        ("desk/7", "desk has no version '7'; there are: 1"),
        ("dusk@champion", "no version is 'dusk@champion'; did you mean desk?"),
        ("champion", "no version is 'champion'; there are: desk; write NAME@ALIAS or NAME/NUMBER"),
    ],
)
def test_an_unknown_alias_version_or_name_is_refused_and_names_what_there_is(
    wanted, message, file_address, model
) -> None:
    registry = MlflowRegistry(file_address)
    registry.register("desk", "desk", model("a"), "/m")
    registry.set_alias("desk", "champion", 1)
    with pytest.raises(InvalidInput) as refused:
        find_version(registry.versions(), wanted)
    assert message in str(refused.value)


REGISTER = """
import sys
from components.core.manifest import Manifest
from components.release.registries.mlflow_registry import MlflowRegistry
address, folder = sys.argv[1:]
for path in sys.stdin.read().split():
    print(MlflowRegistry(address).register("desk", "desk", Manifest.from_file(path), "/m").version)
"""


def test_two_processes_at_once_set_a_new_file_up_once_and_register_each_model_once(tmp_path, model) -> None:
    paths = []
    for weights in "abc":
        path = tmp_path / f"{weights}.json"
        path.write_bytes(model(weights).to_bytes())
        paths.append(str(path))
    address = f"sqlite:///{tmp_path}/new.db"
    command = [sys.executable, "-c", REGISTER, address, "-"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        process.stdin.write("\n".join(paths))
        process.stdin.close()
    said = [(process.stdout.read(), process.stderr.read(), process.wait()) for process in started]
    assert [error for _, error, _ in said] == [""] * 2, "and MLflow has nothing to say"
    assert [code for _, _, code in said] == [0] * 2
    assert len({answer for answer, _, _ in said}) == 1
    assert [version.version for version in MlflowRegistry(address).versions()] == [1, 2, 3]


def test_a_folders_address_is_absolute_wherever_the_store_lies(model, monkeypatch, tmp_path) -> None:
    given = model("a")
    monkeypatch.chdir(tmp_path)
    assert folder_address(Store("./here"), given) == f"{tmp_path}/here/export/{given.key.split('/')[1]}/exported"
    assert folder_address(Store("memory://there"), given).startswith("memory://there/export/")
    assert json.loads(given.to_bytes())["key"].startswith("export/")


@pytest.mark.long
def test_what_a_server_keeps_in_postgresql_outlives_it(postgres_server, endpoint, model) -> None:
    import psycopg

    registry = open_registry(postgres_server.address)
    made = registry.register(endpoint, endpoint, model("a"), "gs://b/m")
    postgres_server.kill()
    with psycopg.connect(postgres_server.backend.replace("+psycopg", "")) as connection:
        kept = connection.execute("select version from model_versions where name = %s", (endpoint,)).fetchall()
    assert kept == [(1,)]
    with pytest.raises(Failed, match="does not answer"):
        registry.versions(endpoint)
    postgres_server.start()
    assert registry.versions(endpoint) == [made]
