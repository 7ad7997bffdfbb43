"""Pages and documents as bytes and back: JSON and raw arrays, nothing that runs code.

A record is a length, a JSON header, and the arrays that the header names, little-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from documents.document import Block, BlockKind, Document, Page, Words
from documents.readers.layout import PageLayout

_KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
_LENGTH = struct.Struct("<Q")
_TYPES: dict[str, np.dtype[Any]] = {
    "i": np.dtype("<i4"),
    "f": np.dtype("<f4"),
    "d": np.dtype("<f8"),
    "b": np.dtype("u1"),
}

Arrays = Mapping[str, NDArray[Any]]


def encode_page(layout: PageLayout) -> bytes:
    """One page as read."""
    header = {"width": layout.width, "height": layout.height, "headers": _headers(layout.blocks)}
    arrays: Arrays = {
        "text": _text_array(layout.text),
        "blocks": _block_array(layout.blocks),
        "fonts": np.asarray(layout.font_sizes, "<f8"),
        "tables": np.asarray(layout.tables, "<i4"),
        **_word_arrays(layout.words),
    }
    return _pack(header, arrays)


def decode_page(data: bytes) -> PageLayout:
    """The page that `encode_page` made these bytes of; ValueError if they are torn."""
    header, arrays = _unpack(data)
    return PageLayout(
        header["width"],
        header["height"],
        arrays["text"].tobytes().decode("utf-8", "surrogatepass"),
        _blocks(arrays["blocks"], header["headers"]),
        _words(arrays),
        tuple(arrays["fonts"].tolist()),
        tuple(arrays["tables"].tolist()),
    )


def encode_document(document: Document) -> bytes:
    """A whole document."""
    header = {
        "id": document.id,
        "name": document.name,
        "headers": _headers(document.blocks),
        "pages": [[p.width, p.height, p.start, p.end, p.has_text] for p in document.pages],
    }
    arrays: Arrays = {
        "text": _text_array(document.text),
        "blocks": _block_array(document.blocks),
        **_word_arrays(document.words),
    }
    return _pack(header, arrays)


def decode_document(data: bytes) -> Document:
    """The document that `encode_document` made these bytes of; ValueError if they are torn."""
    header, arrays = _unpack(data)
    return Document(
        header["id"],
        header["name"],
        arrays["text"].tobytes().decode("utf-8", "surrogatepass"),
        tuple(Page(*page) for page in header["pages"]),
        _blocks(arrays["blocks"], header["headers"]),
        _words(arrays),
    )


def _text_array(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def _block_array(blocks: Sequence[Block]) -> NDArray[np.int32]:
    rows = [(_KINDS.index(b.kind), b.start, b.end, b.page, b.level) for b in blocks]
    return np.asarray(rows, "<i4").reshape(-1, 5)


def _headers(blocks: Sequence[Block]) -> dict[str, Sequence[Sequence[int]]]:
    """The header cells of those blocks that have any, by the block's number."""
    return {str(number): b.header for number, b in enumerate(blocks) if b.header}


def _blocks(rows: NDArray[Any], headers: Mapping[str, Any]) -> tuple[Block, ...]:
    found = []
    for number, (kind, start, end, page, level) in enumerate(rows.tolist()):
        header = tuple((cell[0], cell[1]) for cell in headers.get(str(number), ()))
        found.append(Block(_KINDS[kind], start, end, page, level, header))
    return tuple(found)


def _word_arrays(words: Words) -> dict[str, NDArray[Any]]:
    return {
        "starts": words.starts,
        "ends": words.ends,
        "pages": words.pages,
        "boxes": words.boxes,
        "lines": words.lines,
    }


def _words(arrays: Arrays) -> Words:
    return Words(
        arrays["starts"], arrays["ends"], arrays["pages"], arrays["boxes"], arrays["lines"]
    )


def _pack(header: Mapping[str, Any], arrays: Arrays) -> bytes:
    listed, parts = [], []
    for name, array in arrays.items():
        code = {1: "b", 8: "d"}.get(array.dtype.itemsize, array.dtype.kind)
        listed.append([name, code, list(array.shape)])
        parts.append(np.ascontiguousarray(array, _TYPES[code]).tobytes())
    head = json.dumps({**header, "arrays": listed}, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(head)), head, *parts))


def _unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    if len(data) < _LENGTH.size:
        raise ValueError("torn record")
    at = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    header = json.loads(data[_LENGTH.size : at])
    arrays: dict[str, NDArray[Any]] = {}
    for name, code, shape in header["arrays"]:
        kind = _TYPES[code]
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(data, kind, count, at).reshape(shape)
        at += count * kind.itemsize
    return header, arrays
