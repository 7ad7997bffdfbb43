"""Jobs that misbehave, for test_worker.py; the worker process imports this module."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

from documents.errors import DamagedError


def count(to: int, pause_s: float = 0.0) -> Iterator[bytes]:
    for number in range(to):
        time.sleep(pause_s)
        yield str(number).encode()


def fail_politely() -> Iterator[bytes]:
    yield b"one"
    raise DamagedError("bad.pdf: broken.", "Mend it.")


def raise_unforeseen() -> Iterator[bytes]:
    yield b"one"
    raise ZeroDivisionError("a bug")


def crash() -> Iterator[bytes]:
    yield b"one"
    ctypes.string_at(0)


def spin() -> Iterator[bytes]:
    yield str(os.getpid()).encode()
    while True:
        pass


def eat_memory() -> Iterator[bytes]:
    yield b"one"
    kept = []
    while True:
        kept.append(bytearray(b"x" * 2**24))


def babble() -> Iterator[bytes]:
    while True:
        yield b"x" * 2**20


def modules() -> Iterator[bytes]:
    import sys

    yield "\n".join(sys.modules).encode()


def note_pid(path: str) -> Iterator[bytes]:
    Path(path).write_text(str(os.getpid()))
    yield b"ready"
    time.sleep(60)
    yield b"never"
