"""The embedded engine's process: llama.cpp on loopback, until nobody has asked for a while.

Run by `policy.engine`, which says everything on the command line and the key (random, so that
only this user's processes get in) in the environment. The process writes its address into the
state file once it listens and ends by itself when idle.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import psutil
from filelock import FileLock, Timeout

KEY_VARIABLE = "LONGDOC_ENGINE_KEY"
WATCH_S = 2.0


def main() -> None:
    """Serve until idle."""
    options = _options()
    key = os.environ.pop(KEY_VARIABLE)
    server = _serve(options, key)
    address = str(server.listening_address)
    state: Path = options.state
    _write_state(state, address, key)
    while _busy(state, address, key) or not _leave(state, options.idle):
        time.sleep(WATCH_S)
    os._exit(0)  # llama.cpp's threads need not be waited for: nobody is being served


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--adapter", default="")
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--idle", type=float, required=True)
    parser.add_argument("--state", type=Path, required=True)
    return parser.parse_args()


def _serve(options: argparse.Namespace, key: str) -> Any:
    """A server that listens on a free port of the loopback and has loaded the model."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    if options.adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(options.adapter, 1.0)]
    params.n_ctx = options.context
    params.api_keys = [key]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.cors_origins = ""
    params.n_gpu_layers = 999 if _has_gpu(xllamacpp) else 0
    params.cache_ram_mib = 512
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = options.threads
        threads.poll = 0  # do not spin while waiting: other work shares the cores
    return xllamacpp.Server(params)


def _has_gpu(xllamacpp: Any) -> bool:
    """Whether this build of llama.cpp sees anything but a CPU."""
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    return any(device.get("type") != cpu for device in xllamacpp.get_device_info())


def _write_state(path: Path, address: str, key: str) -> None:
    me = psutil.Process()
    state = {"pid": me.pid, "started": me.create_time(), "url": address, "key": key}
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_text(json.dumps(state), "utf-8")
    new.replace(path)


def _busy(state: Path, address: str, key: str) -> bool:
    """Whether somebody is being answered; that counts as use."""
    request = Request(f"{address}/slots", headers={"Authorization": f"Bearer {key}"})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
            busy = any(slot["is_processing"] for slot in json.load(response))
        if busy:
            state.touch()
    except (OSError, ValueError, KeyError):
        return False
    return busy


def _leave(state: Path, limit: float) -> bool:
    """Withdraw the address if nobody has used it within the limit, or if it is another's by now.

    A client takes the address and touches the file under the same lock.
    """
    try:
        with FileLock(state.with_suffix(".lock"), timeout=0):
            if json.loads(state.read_text("utf-8")).get("pid") != os.getpid():
                return True
            if time.time() - state.stat().st_mtime <= limit:
                return False
            state.unlink()
            return True
    except Timeout:
        return False
    except (OSError, ValueError):
        return True


if __name__ == "__main__":
    main()
