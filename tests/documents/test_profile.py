"""What documents are called, and texts without it."""

from __future__ import annotations

import pytest

from documents import without_name


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("net sales of Alpha Holdings, Inc. in 2023", "net sales of in 2023"),
        ("ALPHA HOLDINGS INC's net sales", "net sales"),
        ("net sales of the Alpha Holdings", "net sales of"),
        ("net sales of Alphabet", "net sales of Alphabet"),
    ],
)
def test_a_text_without_a_name_in_any_form(text: str, left: str) -> None:
    assert " ".join(without_name(text, "The Alpha Holdings, Inc.").split()) == left
