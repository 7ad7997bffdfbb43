"""The files of the policy's training: DocQA-RL-1.6K's columns, and configurations."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from documents.errors import DataError, SettingsError
from policy.training import prepare
from policy.training.config import read_config
from policy.training.rows import Row, read_rows, write_rows
from policy.training.sampling import rule

PUBLISHED = [
    {
        "prompt": [{"role": "user", "content": "<text>\n…\n</text>"}],
        "data_source": source,
        "reward_model": {"ground_truth": truth, "style": "rule"},
        "extra_info": {"index": "7"},
    }
    for source, truth in (
        ("docmath_complong", "Therefore, the answer is 12.5"),
        ("long_toc_choices", "The correct answer is (B)"),
        ("musique", "the answer is **Anna Magdalena**."),
        ("multihoprag", "Yes"),
    )
]


def check_published(rows: list[Row]) -> None:
    assert [row.kind for row in rows] == ["number", "choice", "qa", "qa"]
    assert [row.golds for row in rows] == [("12.5",), ("B",), ("Anna Magdalena",), ("Yes",)]
    assert rows[0].messages == ({"role": "user", "content": "<text>\n…\n</text>"},)
    assert rows[0].key == "7"
    reply = "<think>\nHm.\n</think>\n\nTherefore, the answer is 12.5."
    assert rule(rows[0], reply) == 1.0 and rule(rows[2], reply) == 0.0


def test_published_columns_are_read_from_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "docqa.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in PUBLISHED), "utf-8")
    check_published(read_rows(path))


def test_published_columns_are_read_from_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "docqa.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(PUBLISHED), path)
    check_published(read_rows(path))


def test_parquet_without_pyarrow_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path / "docqa.parquet")
    assert "pip install pyarrow" in caught.value.hint and "JSONL" in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt": [{"role": "user"}]}',
        "[1]",
        '{"prompt": "x", "data_source": "s", "reward_model": {"ground_truth": "y"}}',
        '{"prompt": [], "data_source": "s", "reward_model": {"ground_truth": "y"}}',
        '{"prompt": [{"role": "user", "content": "x"}], "data_source": "s", "reward_model": null}',
        '{"prompt": [{"role": "user", "content": "x"}], "data_source": "s", '
        '"reward_model": {"ground_truth": null}}',
        "not JSON",
        "",
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n", "utf-8")
    with pytest.raises(DataError, match=r"rows\.jsonl"):
        read_rows(path)


def test_rows_survive_writing(tmp_path: Path) -> None:
    chat = ({"role": "user", "content": "When?"},)
    rows = [
        Row(chat, "made", ("1411",), {"index": "a"}),
        Row(chat, "musique", ("St. John", "John"), {"index": "b"}),
    ]
    assert write_rows(tmp_path / "r.jsonl", rows) == 2
    assert read_rows(tmp_path / "r.jsonl") == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lenghts = [1]", "lenghts"),
        ("seed = 1", "does not set"),
        ("seed = ", "not TOML"),
        ('data=""\nout=""\nmodel=""\nlengths=[9]\nsources={}\nheld="1"', "held is '1'"),
        ('data=""\nout=""\nmodel=""\nlengths=9\nsources={}\nheld=1', "lengths is 9"),
        ('data=""\nout=""\nmodel=""\nlengths=[9]\nsources=[]\nheld=1', "sources is"),
        ('data=""\nout=""\nmodel=""\nlengths=[9, 3]\nsources={}\nheld=1', "lengths"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=told):
        read_config(prepare.Config, path)
