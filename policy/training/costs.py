"""What a step costs, and SoLoPO's cost over plain long-context training, measured and predicted."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from documents.errors import DataError
from policy.training.logs import read_log
from policy.training.losses import cost_ratio

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MIB = 2**20


class Peak:
    """The most memory in use since `reset`: allocated on a GPU, resident on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.device = device

    def reset(self) -> None:
        """Forget the peak so far. Linux alone lets a process do so; elsewhere it is the whole
        process's."""
        if self.cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        elif sys.platform == "linux":
            try:
                _CLEAR.write_text("5")
            except OSError:
                return  # not allowed in some containers: then it is the whole process's

    def mib(self) -> float:
        """In MiB."""
        if self.cuda:
            return torch.cuda.max_memory_allocated(self.device) / MIB
        if _STATUS.exists():
            lines = _STATUS.read_text("utf-8").splitlines()
            told = next(line for line in lines if line.startswith("VmHWM:"))
            return int(told.split()[1]) / 1024
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (MIB if sys.platform == "darwin" else 1024)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run, from its log: medians over its steps, the first left out (it warms up).
    ``long`` and ``short`` are mean tokens of prompt and chosen answer. The processor's seconds are
    the fair measure on a CPU that others use too; on a GPU they mean little."""

    seconds_per_pair: float
    cpu_seconds_per_pair: float
    tokens_per_second: float
    tokens_per_pair: float
    peak_mib: float
    short: float
    long: float


def cost_of(run: Path) -> Cost:
    """The cost of the run in a folder."""
    rows = [row for row in read_log(run / "log.jsonl") if "pairs" in row]
    if len(rows) < 2:
        raise DataError(f"{run} has no log of two steps or more.", "Let the run end first.")
    rows = rows[1:]
    pairs = sum(row["pairs"] for row in rows)
    return Cost(
        median(row["seconds"] / row["pairs"] for row in rows),
        median(row["cpu_seconds"] / row["pairs"] for row in rows),
        median(row["tokens"] / row["seconds"] for row in rows),
        sum(row["tokens"] for row in rows) / pairs,
        max(row["peak_mib"] for row in rows),
        sum(row["short_tokens"] * row["pairs"] for row in rows) / pairs,
        sum(row["long_tokens"] * row["pairs"] for row in rows) / pairs,
    )


def compared(solopo: Path, plain: Path) -> dict[str, float]:
    """The cost of a SoLoPO run over that of a plain long-context one: measured in time, tokens
    and peak memory, and predicted from rho = |short| / |long|. The predictions are the paper's for
    training without a reference model, which is also what is timed: DPO's reference is read once,
    before the first step."""
    ours, theirs = cost_of(solopo), cost_of(plain)
    rho = ours.short / ours.long
    return {
        "rho": rho,
        "time": ours.seconds_per_pair / theirs.seconds_per_pair,
        "cpu_time": ours.cpu_seconds_per_pair / theirs.cpu_seconds_per_pair,
        "tokens": ours.tokens_per_pair / theirs.tokens_per_pair,
        "peak": ours.peak_mib / theirs.peak_mib,
        "predicted_linear": cost_ratio(rho, quadratic=False),
        "predicted_quadratic": cost_ratio(rho, quadratic=True),
    }


def write_json(path: Path, told: object) -> None:
    """A small file, put in place whole."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    fresh.replace(path)
