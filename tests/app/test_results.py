"""Files of records that are not as they were written."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from app.results import read_records
from documents.errors import DataError


@pytest.mark.parametrize("name", ["records.jsonl", "records.jsonl.gz"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\n")
    with pytest.raises(DataError, match=name) as caught:
        list(read_records(path))
    assert "None" not in caught.value.message


def test_a_packed_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.gz"
    path.write_bytes(gzip.compress(b"x" * 100_000)[:-20])
    with pytest.raises(DataError, match=r"records\.jsonl\.gz"):
        list(read_records(path))
