"""Seconds, memory, and the machine that they were measured on."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers

LONG_S = 20.0
"""A run that takes longer is measured once, as its own warm-up."""
_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. ``seconds`` by the clock, ``cpu_seconds`` of all of the process's threads.
    ``peak_mib``: the most memory at once, of the GPU's by PyTorch's count, else resident; None
    where the system does not say. ``resident_mib``: the process's, at its end."""

    seconds: float
    cpu_seconds: float
    peak_mib: float | None
    resident_mib: float | None


def once(run: Callable[[], object], device: str) -> Sample:
    """Run it, and wait for the GPU before and after."""
    _settle(device)
    followed = _follow_peak(device)
    clock, used = time.perf_counter(), time.process_time()
    run()
    _settle(device)
    seconds, cpu = time.perf_counter() - clock, time.process_time() - used
    return Sample(seconds, cpu, _peak_mib(device) if followed else None, resident_mib())


def repeated(run: Callable[[], object], device: str, repeats: int) -> list[Sample]:
    """``repeats`` runs after one that is not counted; or that one alone, where it is long."""
    first = once(run, device)
    if first.seconds > LONG_S:
        return [first]
    return [once(run, device) for _ in range(repeats)]


def unless_out_of_memory(
    run: Callable[[], object], device: str, repeats: int
) -> list[Sample] | None:
    """As `repeated`; None where the GPU's memory is too small."""
    try:
        return repeated(run, device, repeats)
    except torch.OutOfMemoryError:
        pass  # what follows comes after it, as the exception holds on to the tensors
    gc.collect()
    torch.cuda.empty_cache()
    return None


def median(samples: Iterable[Sample]) -> float:
    """The median of their seconds."""
    return statistics.median(each.seconds for each in samples)


def peak(samples: Iterable[Sample]) -> float | None:
    """The most MiB of any."""
    return max((each.peak_mib for each in samples if each.peak_mib is not None), default=None)


def matrix_rate(device: str, dtype: torch.dtype, size: int) -> float:
    """FLOP a second of a product of two random square matrices of ``size``, the median of ten
    times ten products."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)

    def products() -> None:
        for _ in range(10):
            torch.mm(left, right, out=out)

    return 10 * 2 * size**3 / median(repeated(products, device, 10))


def resident_mib() -> float | None:
    """What the process has in memory now; None where the system does not say."""
    if not _STATM.exists():
        return None
    return int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def conditions(device: str, command: Sequence[str]) -> dict[str, object]:
    """Machine, date, versions and command."""
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    return {
        "machine": gpu or f"{_processor()}, {os.cpu_count()} logical cores",
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "command": " ".join(["python -m compressor.bench", *command]),
    }


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As Markdown."""
    lines = [heads, ["---:"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def told(done: str) -> None:
    """Say on stderr what was just measured."""
    sys.stderr.write(f"{done}\n")


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _follow_peak(device: str) -> bool:
    """Begin the count of the most memory at once; false where that is not allowed."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return True
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _peak_mib(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / (1 << 20)
    lines = _STATUS.read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
