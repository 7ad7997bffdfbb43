"""Whether two runs made the same records: what a figure needs to be believed."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from app.results import Record, read_records

VARIES = frozenset({"select_s", "first_token_s", "total_s", "commit", "machine", "settings_hash"})
"""What may differ between two runs of the same: times, and where and by what they were made."""


def differences(one: Path, other: Path) -> list[str]:
    """A line for each record that only one file has, and for each that differs, with the fields."""
    left, right = (_by_key(path) for path in (one, other))
    lines = [f"only in {one}: {_named(left[key])}" for key in left if key not in right]
    lines += [f"only in {other}: {_named(right[key])}" for key in right if key not in left]
    for key in left.keys() & right.keys():
        if unlike := _unlike(left[key], right[key]):
            lines.append(f"{_named(left[key])}: {', '.join(unlike)}")
    return sorted(lines)


def _by_key(path: Path) -> dict[tuple[object, ...], Record]:
    return {record.key: record for record in read_records(path)}


def _unlike(one: Record, other: Record) -> list[str]:
    left, right = asdict(one), asdict(other)
    names = [each.name for each in fields(Record) if each.name not in VARIES]
    return [name for name in names if left[name] != right[name]]


def _named(record: Record) -> str:
    limit = f"{record.budget}" if record.budget else f"{record.threshold:g}"
    return f"{record.task} {record.sample} {record.method} {limit}"
