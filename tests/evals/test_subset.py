"""The part of the benchmarks that is quickly run again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from documents import DocumentStore
from evals import subset
from evals.samples import Setup
from evals.smoke import make_data


def test_ten_samples_of_every_generated_task(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    store = DocumentStore(tmp_path / "home")
    setup = Setup(tmp_path / "data", store.ingest, lambda text: len(text.split()))
    drawn: Counter[str] = Counter()
    for task in subset.tasks():
        limit, lengths = subset.size(task)
        its = replace(setup, limit=limit, lengths=lengths)
        drawn[task.name] = sum(1 for _ in task.samples(its))
    generated = {name: count for name, count in drawn.items() if name.startswith(("ruler", "inf"))}
    assert len(generated) == 16
    assert set(generated.values()) == {10}
    assert drawn["needle"] == drawn["needle-near"] == 10
    assert {"compression", "arithmetic", "pdfs-papers"} < set(drawn)
