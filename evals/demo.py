"""``make demo``: a fictional annual report, three questions with known answers, CPRS beside RAG.

The report is made anew, read, compressed, retrieved from and reasoned over on this machine;
no answer is kept from an earlier run. The library and the vectors are kept, as in real use.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from app.commands import citation_line, summary_line
from app.service import Question, Service, Watch
from app.settings import load_settings
from app.stopping import stoppable
from app.terminal import Bars, write
from documents import default_home
from documents.errors import LongdocError
from evals.fictional import KnownQuestion, write_report
from weights.quiet import no_telemetry

BUDGET = 800
"""Tokens of context an answer: a CPU of two cores reads some seventy a second."""
STRATEGIES = ("cprs", "rag")


def main() -> None:
    """Make the report and answer; exit code 0 whatever the model says, an error's otherwise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=7, help="another seed, another report")
    parser.add_argument("--budget", type=int, default=BUDGET, help="tokens of context an answer")
    args = parser.parse_args()
    no_telemetry()
    try:
        demonstrate(args.seed, args.budget)
    except LongdocError as error:
        sys.stderr.write(f"demo: {error.message} {error.hint}\n")
        sys.exit(error.exit_code)


def demonstrate(seed: int, budget: int) -> None:
    """The whole demonstration."""
    home = default_home() / "demo"
    home.mkdir(parents=True, exist_ok=True)
    service = Service(load_settings(home=home, budget=budget))
    with stoppable() as cancelled, Bars() as bars:
        watch = Watch(progress=bars, cancelled=cancelled)
        document, questions, read_s = _report(service, home / f"report-{seed}.pdf", seed, watch)
        started = time.monotonic()
        right = dict.fromkeys(STRATEGIES, 0)
        for number, known in enumerate(questions[:3], 1):
            bars.hide()
            write(f"\n━━ Question {number}: {known.question}")
            write(f"   The report says: {known.answer}, on page {known.page_hint}.")
            asked = Question(known.question, (document,), budget=budget)
            for name in STRATEGIES:
                result = service.compare(asked, [name], watch=watch)["strategies"][name]
                bars.hide()
                right[name] += _print(name, result, known)
        tally = " · ".join(f"{name} {count} of 3 right" for name, count in right.items())
        write(f"\n{tally} · six answers in {time.monotonic() - started:.0f} s, read {read_s:.1f} s")


def _report(
    service: Service, path: Path, seed: int, watch: Watch
) -> tuple[str, list[KnownQuestion], float]:
    questions = write_report(path, seed)
    started = time.monotonic()
    (document,) = service.ingest([path], watch=watch)
    read_s = time.monotonic() - started
    words = len(document.text.split())
    write(f"{path.name}: {len(document.pages)} pages, {words:,} words, read in {read_s:.1f} s.")
    return document.id, questions, read_s


def _print(name: str, result: dict[str, Any], known: KnownQuestion) -> bool:
    write(f"\n── {name} {'─' * 60}")
    if "error" in result:
        write(f"failed: {result['error']} {result['hint']}")
        return False
    write(" ".join(result["answer"].split()))
    for citation in result["citations"]:
        write(citation_line(citation))
    right = known.answer in result["answer"]
    verdict = result["verdict"].replace("_", " ")
    write(f"{'RIGHT' if right else 'WRONG'} · {verdict} · {summary_line(result)}")
    return right


if __name__ == "__main__":
    main()
