"""Speed of the critics: ``python -m compressor.bench cprs`` and ``... small`` (docs/speed.md).

A Markdown table goes to stdout, how it goes to stderr, and with ``--out`` all samples, the
machine, versions and the command to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from compressor.bench.measure import conditions
from documents.errors import LongdocError
from weights.device import device_and_dtype

Made = TypeVar("Made")


def lengths(text: str) -> tuple[int, ...]:
    """Whole numbers above 0 with commas between them."""
    found = tuple(int(part) for part in text.split(","))
    if min(found) < 1:
        raise argparse.ArgumentTypeError("a length is 1 or more")
    return found


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m compressor.bench", description=(__doc__ or "").split("\n", 1)[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    cprs = commands.add_parser("cprs", help="the published critic's shape, random weights")
    cprs.add_argument("--shape", choices=("7b", "tiny"))
    cprs.add_argument("--compressed", type=int, help="tokens that are kept")
    cprs.add_argument("--window", type=int, help="tokens of a window, its prompt included")
    cprs.add_argument("--prompt", type=int, help="of these, the prompt's")
    cprs.add_argument("--parallel", type=int, help="windows in one pass")
    cprs.add_argument("--chunk", type=int, help="most tokens in one pass of a prefill; 0: all")
    cprs.add_argument("--dtype", choices=("auto", "bf16", "fp32"))
    cprs.add_argument("--attention", choices=("auto", "sdpa", "flash_attention_2"))
    small = commands.add_parser("small", help="longdoc's own critic")
    small.add_argument("--text", type=Path, help="file to take the text from; else made up")
    small.add_argument("--threads", type=int)
    small.add_argument("--critic", type=Path, help="folder of another critic")
    small.add_argument("--cascade", type=int, help="also with so many tokens read")
    for command in (cprs, small):
        command.add_argument("--lengths", type=lengths, help="in tokens: 8192,32768")
        command.add_argument("--repeats", type=int)
        command.add_argument("--seed", type=int)
        command.add_argument("--out", type=Path, help="JSON file to write")
    return parser


def task_of(kind: type[Made], args: argparse.Namespace) -> Made:
    """The task with what the command line says; the rest is as it is in its class."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    given = {name: getattr(args, name, None) for name in names}
    return kind(**{name: value for name, value in given.items() if value is not None})


def measured(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What the command measures: values, and a table of them."""
    if args.command == "small":
        from compressor.bench import small

        return small.measured(task_of(small.Task, args))
    from compressor.bench import cprs

    return cprs.measured(task_of(cprs.Task, args))


def main(command: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print."""
    given = sys.argv[1:] if command is None else list(command)
    args = arguments().parse_args(given)
    try:
        values, table = measured(args)
    except LongdocError as error:
        raise SystemExit(f"{error.message} {error.hint}".strip()) from error
    found = {**conditions(device_and_dtype("auto")[0], given), "kind": args.command, **values}
    if args.out:
        args.out.write_text(json.dumps(found, indent=1, default=str) + "\n", "utf-8")
    keys = ("machine", "threads", "torch", "date")
    told = ", ".join(f"{key} {found[key]}" for key in keys)
    sys.stdout.write(f"{told}\n\n{table}\n")


if __name__ == "__main__":
    main()
