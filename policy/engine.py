"""The embedded engine seen from outside: started on demand, shared by a user's processes.

One engine runs for each model and context length. Its state file names process, address and key
and is readable by the user alone; a lock beside it lets one process at a time look and start.
The engine outlives the process that started it and ends when idle (`policy.engine_server`).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from filelock import FileLock, Timeout

from documents.errors import EngineError, StorageError
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from policy.config import ReasonerConfig
from policy.endpoint import Endpoint
from policy.engine_server import KEY_VARIABLE
from weights import ensure, find, models_dir

CONTEXT = 16384
"""Tokens the embedded engine takes unless the setting says otherwise."""

START_S = 180.0
POLL_S = 0.1

_launched: list[subprocess.Popen[bytes]] = []
"""Kept, so that an engine that has ended is reaped and none is complained of as still running."""


@dataclass(frozen=True)
class _Running:
    pid: int
    started: float
    url: str
    key: str = field(repr=False)

    def alive(self) -> bool:
        """The same process (numbers are used again) is there and answers."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > 1 or process.status() == "zombie":
                return False
        except psutil.Error:
            return False
        try:
            # no proxy of the environment: it would look for the engine on another machine
            return httpx.get(f"{self.url}/health", timeout=10, trust_env=False).is_success
        except httpx.TimeoutException:
            return True  # busy, on a machine that is
        except httpx.HTTPError:
            return False


def context_tokens(config: ReasonerConfig) -> int:
    """What the embedded engine takes with this configuration; nothing is started."""
    return min(config.context_tokens or CONTEXT, find(config.model).context)


def start(
    config: ReasonerConfig,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Endpoint:
    """The running engine for this configuration, started first if there is none."""
    folder = ensure(config.model, progress=progress, cancelled=cancelled, offline=config.offline)
    state = _state_path(config)
    with _locked(state, cancelled):
        running = _read(state)
        if running is None or not running.alive():
            _end(running)
            state.unlink(missing_ok=True)
            running = _launch(config, folder, state, cancelled)
        state.touch()
    return _endpoint(config, running)


def stop(config: ReasonerConfig) -> bool:
    """End the engine of this configuration; whether one was running."""
    state = _state_path(config)
    with _locked(state, never_cancelled):
        running = _read(state)
        there = running is not None and running.alive()
        _end(running)
        state.unlink(missing_ok=True)
    return there


def touch(config: ReasonerConfig) -> None:
    """Tell the engine that it is in use: a question has just ended."""
    try:
        os.utime(_state_path(config))
    except FileNotFoundError:
        return


def log_path(config: ReasonerConfig) -> Path:
    """Where the engine of this configuration writes."""
    return _state_path(config).with_suffix(".log")


def _endpoint(config: ReasonerConfig, running: _Running) -> Endpoint:
    return Endpoint(
        url=f"{running.url}/v1",
        api_key=running.key,
        model=config.model,
        context_tokens=context_tokens(config),
        served=(config.model,),
        embedded=True,
    )


def _state_path(config: ReasonerConfig) -> Path:
    folder = models_dir().absolute() / ".engine"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be made: {error.strerror}",
            "Set LONGDOC_MODELS to a folder that can be written.",
        ) from error
    adapter = f"-{_adapter_mark(config.adapter)}" if config.adapter else ""
    return folder / f"{config.model}-{context_tokens(config)}{adapter}.json"


def _adapter_mark(adapter: str) -> str:
    """Names an adapter's file as it is now: a new one there needs a new engine."""
    path = Path(adapter).absolute()
    try:
        told = path.stat()
    except OSError as error:
        raise EngineError(
            f"The adapter {path} cannot be read: {error.strerror}.",
            "Set reasoner.adapter to a GGUF file that `longdoc train policy-export` wrote, or "
            "to nothing.",
        ) from error
    seen = f"{path} {told.st_size} {told.st_mtime_ns}"
    return hashlib.sha256(seen.encode()).hexdigest()[:8]


class _locked:  # noqa: N801 - reads as a verb
    """Alone with the state file; a stop is heeded while another process starts the engine."""

    def __init__(self, state: Path, cancelled: IsCancelled) -> None:
        self._lock = FileLock(state.with_suffix(".lock"))
        self._cancelled = cancelled

    def __enter__(self) -> None:
        while True:
            check(self._cancelled)
            try:
                self._lock.acquire(timeout=0.2)
                return
            except Timeout:
                continue

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _read(state: Path) -> _Running | None:
    try:
        values: dict[str, Any] = json.loads(state.read_text("utf-8"))
        return _Running(**values)
    except (OSError, ValueError, TypeError):
        return None


def _end(running: _Running | None) -> None:
    """Stop a process that is ours but no longer answers."""
    if running is None:
        return
    try:
        process = psutil.Process(running.pid)
        if abs(process.create_time() - running.started) <= 1:
            process.kill()
            process.wait(5)
    except psutil.Error:
        return


def _launch(config: ReasonerConfig, folder: Path, state: Path, cancelled: IsCancelled) -> _Running:
    """Start the process, detached, and wait until it has loaded the model."""
    model = find(config.model)
    if model.gguf is None:
        raise EngineError(
            f"The embedded engine cannot load {model.name}.",
            "Serve it and set reasoner.url to its address"
            + (f": {model.serve}" if model.serve else "."),
        )
    threads = config.threads or psutil.cpu_count(logical=False) or os.cpu_count() or 1
    command = [
        *(sys.executable, "-m", "policy.engine_server"),
        *("--model", str((folder / model.gguf).absolute()), "--alias", model.name),
        *("--context", str(context_tokens(config))),
        *("--threads", str(threads), "--idle", str(config.idle_s), "--state", str(state)),
    ]
    if config.adapter:
        command += ["--adapter", str(Path(config.adapter).absolute())]
    roots = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin for one another starve on a busy machine
        **os.environ,
        KEY_VARIABLE: secrets.token_urlsafe(24),
        "PYTHONPATH": os.pathsep.join(root for root in roots if root),
    }
    with log_path(config).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=state.parent,  # not the person's folder: a file there could pass for a module
            start_new_session=True,
        )
    _launched[:] = [old for old in _launched if old.poll() is None] + [process]
    return _wait(process, state, log_path(config), cancelled)


def _wait(
    process: subprocess.Popen[bytes], state: Path, log: Path, cancelled: IsCancelled
) -> _Running:
    """Until it has written its state; a stop or a failure ends it."""
    deadline = time.monotonic() + START_S
    ready = False
    try:
        while time.monotonic() < deadline:
            check(cancelled)
            running = _read(state)
            if running is not None and running.alive():
                ready = True
                return running
            if process.poll() is not None:
                raise EngineError(f"The embedded engine did not start: {_last(log)}", _hint(log))
            time.sleep(POLL_S)
        raise EngineError(f"The embedded engine was not ready in {START_S:.0f} s.", _hint(log))
    finally:
        if not ready:
            process.kill()
            process.wait()
            state.unlink(missing_ok=True)


def _last(log: Path) -> str:
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it said nothing"


def _hint(log: Path) -> str:
    return f"Its log is {log}. If memory is short, set reasoner.context_tokens lower."
