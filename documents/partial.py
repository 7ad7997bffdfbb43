"""The pages of a file that is being read: what a killed reading leaves to go on from.

One file of records, each a length, a checksum and bytes; the first is a JSON head. It is only
ever appended to, and a record torn by a crash is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FRAME = struct.Struct("<QI")


class PartialPages:
    """The pages read so far, in order. ``version`` is of the reader that reads them: pages
    from another version are thrown away."""

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self.version = version
        self.page_count: int | None = None
        self.done = 0
        self._file = self._open()

    def _open(self) -> BinaryIO:
        file = self.path.open("a+b", buffering=0)
        end = 0
        for number, (record, after) in enumerate(_records(file)):
            if number == 0:
                head = json.loads(record)
                if head["version"] != self.version:
                    break
                self.page_count = head["pages"]
            else:
                self.done = number
            end = after
        file.truncate(end)
        return file

    def begin(self, page_count: int) -> None:
        """Note how many pages there are to be; a count that changed starts over."""
        if self.page_count == page_count:
            return
        self._file.truncate(0)
        self.page_count, self.done = page_count, 0
        self._write(json.dumps({"version": self.version, "pages": page_count}).encode())

    def append(self, page: bytes) -> None:
        """Keep one more page."""
        self._write(page)
        self.done += 1

    def _write(self, record: bytes) -> None:
        whole = memoryview(_FRAME.pack(len(record), zlib.crc32(record)) + record)
        while whole:
            whole = whole[self._file.write(whole) or 0 :]

    def pages(self) -> Iterator[bytes]:
        """The pages kept, in order."""
        for number, (record, _after) in enumerate(_records(self._file)):
            if number:
                yield record

    def close(self) -> None:
        """Let go of the file, and leave it for the next time."""
        self._file.close()

    def remove(self) -> None:
        """Done with, or of no use."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _records(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each whole record and where it ends, up to the first torn one."""
    file.seek(0)
    at = 0
    while len(frame := file.read(_FRAME.size)) == _FRAME.size:
        length, checksum = _FRAME.unpack(frame)
        record = file.read(length)
        if len(record) != length or zlib.crc32(record) != checksum:
            return
        at += _FRAME.size + length
        yield record, at
