"""Training curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from documents.errors import DataError
from evals.report.curves import curves, smoothed


def test_a_picture_has_a_panel_a_figure_and_a_line_a_run(tmp_path: Path) -> None:
    for run, names in (("phase-1", ("loss", "entropy")), ("phase-2", ("loss", "kl"))):
        (tmp_path / run).mkdir()
        rows = [{"step": s, "other": 1.0} | dict.fromkeys(names, s / 10) for s in range(1, 9)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / run / "log.jsonl").write_text(text, "utf-8")
    drawn = curves([tmp_path / "phase-1", tmp_path / "phase-2"])
    assert drawn.startswith("<svg")
    for told in ("loss", "entropy", "kl", "phase-1", "phase-2"):
        assert f">{told}<" in drawn
    assert ">other<" not in drawn and ">held<" not in drawn


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing-here"):
        curves([tmp_path / "nothing-here"])


def test_the_running_mean_looks_back_only() -> None:
    assert smoothed([0, 0, 0, 0, 0, 5, 5]) == [0, 0, 0, 0, 0, 1, 2]
