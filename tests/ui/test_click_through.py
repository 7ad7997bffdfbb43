"""A person's way through the page in a real browser, over ``longdoc ui`` as people start it."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from reportlab.pdfgen.canvas import Canvas
from talking_server import TalkingServer

pytestmark = pytest.mark.browser
SLOW_MS = 240_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    """A tab that must not ask any other machine for anything."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    asked: set[str] = set()
    tab.on("request", lambda request: asked.add(request.url))
    yield tab
    tab.close()
    assert not {
        url for url in asked if not re.match(r"(https?|wss?)://127\.0\.0\.1|data:|blob:", url)
    }


@pytest.fixture
def address(tmp_path: Path, settings: dict[str, str]) -> Iterator[str]:
    """``longdoc ui`` on a free port; at the end Ctrl-C, which it must obey."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "ui", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield url
        process.send_signal(signal.SIGINT)
        code = process.wait(15)
    said = (tmp_path / "log").read_text()
    assert code == 0, said
    assert "Traceback" not in said


def _wait_for(url: str) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            if httpx.get(f"{url}/_stcore/health").text == "ok":
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the page does not come up")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Three pages; the figure stands on the second."""
    path = tmp_path / "report.pdf"
    canvas = Canvas(str(path))
    lines = ["The company makes ropes.", "Net sales were $81,797 million.", "It has 40 ships."]
    for line in lines:
        canvas.drawString(72, 700, line)
        canvas.showPage()
    canvas.save()
    return path


def _upload(page: Page, address: str, file: Path) -> None:
    page.goto(address)
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("textbox", name="Question")).to_be_visible(timeout=60_000)


def _ask(page: Page, question: str) -> None:
    page.get_by_role("textbox", name="Question").fill(question)
    page.get_by_role("button", name="Ask").click()


def _marked_pixels(page: Page) -> int:
    """How much of the page's picture is in the marker's yellow."""
    picture = page.locator("img[alt*='the quote marked']")
    expect(picture).to_be_visible(timeout=30_000)
    data = page.request.get(page.evaluate("img => img.src", picture.element_handle())).body()
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return int((pixels == (255, 226, 64)).all(-1).sum())


def _opens(page: Page, pages: str) -> None:
    """The first citation opens a page of which there are so many, with words marked."""
    page.get_by_role("button", name=re.compile(r"\[\d+\] .*verified")).first.click()
    expect(page.get_by_text(re.compile(pages))).to_be_visible(timeout=30_000)
    assert _marked_pixels(page) > 100


def test_upload_ask_open_the_citation_reload(
    page: Page, address: str, report: Path, talker: TalkingServer
) -> None:
    talker.says, talker.pause_s = "Net sales were **$81,797** million [1].", 0.15
    _upload(page, address, report)
    _ask(page, "What were net sales?")
    answers = [page.get_by_role("region", name=f"Answer by {name}") for name in ("CPRS", "RAG")]
    for answer in answers:
        expect(answer).to_contain_text("Net sales were $81,797 million [1].", timeout=60_000)
    _opens(page, "page 2 of 3")

    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_text("page 3 of 3")).to_be_visible()
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    page.get_by_role("button", name="Cited page 2").click()
    expect(page.get_by_text("page 2 of 3")).to_be_visible()

    page.reload()
    for answer in answers:
        expect(answer).to_contain_text("$81,797 million [1].", timeout=30_000)
    assert _marked_pixels(page) > 100
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("page 2 of 3")).to_be_hidden()


def test_a_taken_port_is_told_in_one_line(address: str) -> None:
    port = address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "app.cli", "ui", "--port", port]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2
    assert re.fullmatch(rf"longdoc: .*{port}.*--port \d+\n", told.stderr)
