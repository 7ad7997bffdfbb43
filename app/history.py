"""``runs``, ``stop``, ``resume``, ``rerun`` and ``export``: questions that were asked before."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.runs import Run, RunLog
from app.settings import load_settings
from app.terminal import write, write_json
from documents.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.service import Service, Watch

_STOP_S = 5.0


def show(as_json: bool, thread: str = "") -> None:
    """One line, or one JSON object, a run; the newest first, or a thread's in their order."""
    log = _log()
    if thread:
        from app.threads import thread_named

        runs = log.thread(thread_named(log, thread))
    else:
        runs = log.all()
    for run in runs:
        if as_json:
            write_json(_facts(run))
        else:
            at = datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M")
            question = " ".join(run.question.split())
            turn = f"{run.turn:>2}  " if thread else ""
            asked = f"  (asked: {' '.join(run.follow_up.split())})" if run.follow_up else ""
            write(f"{run.id}  {turn}{at}  {run.status:<11}  {run.strategy:<4}  {question}{asked}")
    if not runs and not as_json:
        write('No question was asked yet. Ask one: longdoc ask report.pdf "What was revenue?"')


def export(run: str, form: str) -> None:
    """A finished run as Markdown or as the JSON that it was answered with."""
    record = _record(run)
    if form == "json":
        write_json(record)
    else:
        from app.export import markdown

        write(markdown(record).rstrip("\n"))


def stop(run: str) -> None:
    """Stop a run that any process works on; back once it has stopped."""
    log = _log()
    status = log.named(run).status
    if status != "running":
        raise RunError(f"Run {run} is {status}: nobody works on it.", "`longdoc runs` lists them.")
    log.ask_stop(run)
    limit = time.monotonic() + _STOP_S
    while status == "running" and time.monotonic() < limit:
        time.sleep(0.05)
        status = log.status(run) or "deleted"
    if status == "running":
        write(f"Run {run} was asked to stop and does so before its next step.")
    else:
        write(f"Run {run} is {status}." + _onward(run, status))


def _onward(run: str, status: str) -> str:
    return f" Go on: longdoc resume {run}" if status == "stopped" else ""


def resume(run: str, profile: str, force: bool, as_json: bool) -> None:
    """Go on with a run that broke off."""
    _again(profile, as_json, lambda service, watch: service.resume(run, force=force, watch=watch))


def rerun(run: str, strategy: str, budget: int, profile: str, as_json: bool) -> None:
    """Ask a run's question again, as a new run."""
    from app.commands import known

    chosen = known(strategy) if strategy else ""
    _again(
        profile,
        as_json,
        lambda service, watch: service.rerun(
            run, strategy=chosen, budget=budget or None, watch=watch
        ),
    )


def _again(profile: str, as_json: bool, work: Callable[[Service, Watch], dict[str, Any]]) -> None:
    from app.commands import Live, print_answer, print_context
    from app.service import Service, Watch
    from app.stopping import stoppable
    from app.terminal import Bars

    service = Service(load_settings(profile))
    with stoppable() as cancelled, Bars() as bars:
        live = Live(bars)
        result = work(service, Watch(None if as_json else live, bars, cancelled))
        bars.hide()
    if as_json:
        write_json(result)
    elif "verdict" not in result:
        print_context(result)
    else:
        if not live.answered:  # that was before it broke off
            write(result["answer"])
        print_answer(result)


def _record(run: str) -> dict[str, Any]:
    log = _log()
    found = log.named(run)
    records = [event.data for event in log.events(run) if event.kind == "done"]
    if not records:
        raise RunError(
            f"Run {run} is {found.status}: it has no answer yet.",
            "Wait for it." if found.status == "running" else f"Go on: longdoc resume {run}",
        )
    return records[-1]


def _log() -> RunLog:
    return RunLog(load_settings().home / "runs.sqlite")


def _facts(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "at": datetime.fromtimestamp(run.created, UTC).isoformat(timespec="seconds"),
        "status": run.status,
        "question": run.question,
        "strategy": run.strategy,
        "documents": list(run.documents),
        "settings_hash": run.settings,
        "rerun_of": run.rerun_of,
        "thread": run.thread,
        "turn": run.turn,
        "follow_up": run.follow_up,
    }
