"""Where a figure comes from: the commit and the machine."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import psutil

GIBI = 2**30


def commit() -> str:
    """The commit of the code, with ``+`` where it was changed since; empty outside git."""
    root = Path(__file__).parents[1]

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *args], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        name = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        return ""
    return f"{name}+" if name and changed else name


def machine() -> str:
    """Processor, cores, memory, and the GPU that PyTorch would use."""
    import torch

    memory = psutil.virtual_memory().total / GIBI
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU used"
    return f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {gpu}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
