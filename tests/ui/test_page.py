"""What the page shows and does, driven without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput
from talking_server import TalkingServer

import ui
from app.service import Question, Service
from documents.errors import StorageError

SCRIPT = str(Path(ui.__file__).with_name("main.py"))
Add = Callable[[str, str], str]
REPORT = "# A *report* & <b>more</b>\n\nSales were $5 million, costs were $3 million.\n"


def _page(**query: str) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def _at(page: AppTest, name: str) -> str:
    """A part of the page's address."""
    value = page.query_params[name]
    return value if isinstance(value, str) else value[0]


def _shown(page: AppTest) -> str:
    kinds = ("markdown", "caption", "html", "error")
    return "\n".join(str(e.value or e.proto.body) for kind in kinds for e in page.get(kind))


def _buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def _ask(page: AppTest, question: str) -> AppTest:
    page.text_area(key="question").set_value(question)
    page.session_state["strategies"] = ["full"]
    next(button for button in page.button if button.label == "Ask").click()
    page.run()
    assert not page.exception
    return page


def _until_done(page: AppTest, seconds: float = 60) -> AppTest:
    limit = time.monotonic() + seconds
    while "Stop" in _buttons(page):
        assert time.monotonic() < limit
        time.sleep(0.1)
        page.run()
    assert not page.exception
    return page


def test_an_empty_library_says_what_to_do(service: Service) -> None:
    page = _page()
    assert "Add a document" in _shown(page)
    assert "Ask" not in _buttons(page)


def test_an_answer_streams_opens_its_citation_and_survives_a_reload(
    service: Service, add: Add
) -> None:
    add("re*port* $1.md", REPORT)
    page = _until_done(_ask(_page(), "What were sales?"))
    assert "Sales were $5 million <strong><small>[1]</small></strong>." in _shown(page)
    assert "Answered" in _shown(page)
    run = _at(page, "run")

    cited = next(button for button in page.button if "verified" in button.label)
    assert cited.label == r"\[1\] re\*port\* \$1\.md · verified"
    cited.click().run()
    assert "<mark>Sales were $5 million, costs were $3 million.</mark>" in _shown(page)

    again = _page(run=run, cite=_at(page, "cite"))
    assert "Sales were $5 million" in _shown(again)
    assert "<mark>" in _shown(again)
    assert again.multiselect(key="chosen").value == page.multiselect(key="chosen").value


def test_stop_ends_an_answer_and_keeps_what_had_come(
    service: Service, add: Add, talker: TalkingServer
) -> None:
    talker.says, talker.pause_s = "A word. " * 400, 0.05
    add("report.md", REPORT)
    page = _ask(_page(), "What were sales?")
    run = _at(page, "run")
    limit = time.monotonic() + 30
    while not any(event.kind == "answer" for event in service.log.events(run)):
        assert time.monotonic() < limit, list(service.log.events(run))
        time.sleep(0.05)
    page.run()
    next(button for button in page.button if button.label == "Stop").click().run()
    asked = time.monotonic()
    _until_done(page)
    assert time.monotonic() - asked < 3
    assert f"Stopped. To go on with it: `longdoc resume {run}`" in _shown(page)
    assert "A word." in _shown(page)


def test_a_failure_is_told_with_its_remedy_and_without_a_traceback(
    service: Service, add: Add, talker: TalkingServer
) -> None:
    add("report.md", REPORT)
    talker.close()
    page = _ask(_page(), "What were sales?")
    assert "reasoner" in page.error[0].value
    assert "Traceback" not in _shown(page)
    assert not page.query_params.get("run")


def test_a_fragment_tells_its_errors() -> None:
    def script() -> None:
        from documents.errors import StorageError
        from ui.parts.errors import told

        def part(name: str) -> None:
            raise StorageError(f"{name} is full.", "Free some space.")

        told(part)("The disk")

    page = AppTest.from_function(script).run()
    assert not page.exception
    assert "The disk is full" in page.error[0].value


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_starts_nothing(service: Service, add: Add, question: str) -> None:
    add("report.md", REPORT)
    page = _ask(_page(), question)
    assert "question is empty" in page.error[0].value


def test_a_run_left_by_a_stopped_process_does_not_wait_for_ever(service: Service, add: Add) -> None:
    run = service.log.create("What?", "rag", [add("report.md", REPORT)], "")
    page = _page(run=run)
    assert "was stopped while it worked" in page.error[0].value
    assert f"longdoc resume {run}" in page.error[0].value
    assert "Stop" not in _buttons(page)


def test_a_run_that_only_looked_for_passages_shows_them(service: Service, add: Add) -> None:
    question = Question("What were sales?", (add("a.md", REPORT),), "full", 500)
    run = service.run(question, answer=False)["run"]
    page = _page(run=run, cite=f"{run}-0", page="1")
    assert "No model was asked" in _shown(page)
    assert "Sales were $5 million" in _shown(page)


def test_an_address_of_nothing_is_no_error(service: Service, add: Add) -> None:
    add("report.md", REPORT)
    assert "no longer there" in _shown(_page(run="0123456789ab", cite="x-1", page="-3"))


def test_runs_started_together_are_answered_in_turn(service: Service, add: Add) -> None:
    question = Question("What were sales?", (add("report.md", REPORT),), "full")
    first, second = service.start([question, question])
    limit = time.monotonic() + 60
    while service.works_on(second):
        assert time.monotonic() < limit
        time.sleep(0.05)
    done = list(service.log.events(first))[-1]
    begun = next(iter(service.log.events(second)))
    assert done.kind == "done"
    assert begun.at >= done.at


def test_a_run_that_waits_for_its_turn_stops_at_once(
    service: Service, add: Add, talker: TalkingServer
) -> None:
    talker.says, talker.pause_s = "A word. " * 400, 0.05
    question = Question("What were sales?", (add("report.md", REPORT),), "full")
    first, second, third = service.start([question] * 3)
    asked = time.monotonic()
    service.stop(second)
    while service.works_on(second):
        assert time.monotonic() - asked < 3
        time.sleep(0.05)
    assert service.log.status(second) == "stopped"
    assert service.log.status(first) == "running"
    assert not list(service.log.events(third))
    for run in (third, first):
        service.stop(run)
    while service.works_on(first) or service.works_on(third):
        assert time.monotonic() - asked < 10
        time.sleep(0.05)


def test_runs_that_cannot_all_be_kept_are_not_begun(
    service: Service, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = Question("What were sales?", (add("report.md", REPORT),), "full")
    create, kept = service.log.create, list[str]()

    def one(*args: Any, **options: Any) -> str:
        if kept:
            raise StorageError("The disk is full.")
        kept.append(create(*args, **options))
        return kept[0]

    monkeypatch.setattr(service.log, "create", one)
    with pytest.raises(StorageError):
        service.start([question, question])
    assert service.log.status(kept[0]) == "interrupted"


def test_a_follow_up_is_rewritten_shown_and_corrected(
    service: Service, add: Add, talker: TalkingServer
) -> None:
    talker.says = "Sales were $5 million in 2023 [1]."
    add("report.md", "# Report\n\nSales were $5 million in 2023 and $4 million in 2022 and 2021.\n")
    page = _until_done(_ask(_page(), "What were sales in 2023?"))
    assert not [field.label for field in page.text_input if field.label == "Asked as"]

    _field(page, "Follow-up").set_value("and the year before?")
    _press(page, "Ask the follow-up")
    page = _until_done(page)
    assert "and the year before?" in _shown(page)
    assert _field(page, "Asked as").value == "What were sales in 2022?"
    run = service.log.named(_at(page, "run"))
    assert (run.turn, run.question, run.follow_up) == (
        2, "What were sales in 2022?", "and the year before?",
    )  # fmt: skip

    _field(page, "Asked as").set_value("What were sales in 2021?")
    _press(page, "Ask this instead")
    page = _until_done(page)
    corrected = service.log.named(_at(page, "run"))
    assert (corrected.thread, corrected.turn) == (run.thread, 2)
    assert (corrected.question, corrected.follow_up) == (
        "What were sales in 2021?", "and the year before?",
    )  # fmt: skip

    next(button for button in page.button if button.label.startswith(r"1\.")).click().run()
    assert service.log.named(_at(page, "run")).question == "What were sales in 2023?"
    assert not page.exception


def test_a_follow_up_can_be_asked_as_soon_as_the_answer_is_shown(
    service: Service, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the run has still to tidy up: nothing on the page would show the field later."""
    add("report.md", REPORT)
    page = _until_done(_ask(_page(), "What were sales?"))
    monkeypatch.setattr(service, "works_on", lambda _run: True)
    assert "Ask the follow-up" in _buttons(page.run())


def test_an_empty_follow_up_starts_nothing(service: Service, add: Add) -> None:
    add("report.md", REPORT)
    page = _until_done(_ask(_page(), "What were sales?"))
    _press(page, "Ask the follow-up")
    assert "question is empty" in page.error[0].value
    assert len(service.log.all()) == 1


def _field(page: AppTest, name: str) -> TextInput:
    return next(field for field in page.text_input if field.label == name)


def _press(page: AppTest, name: str) -> None:
    next(button for button in page.button if button.label == name).click().run()
    assert not page.exception
