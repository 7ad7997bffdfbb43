"""Writes what ``longdoc graph`` prints into README's Mermaid block; ``make readme`` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Replace the block."""
    command = [sys.executable, "-m", "app.cli", "graph"]
    picture = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    block = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.DOTALL)
    readme.write_text(block.sub(lambda _: picture, text, count=1), "utf-8")


if __name__ == "__main__":
    main()
