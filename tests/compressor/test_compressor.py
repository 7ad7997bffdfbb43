"""The compressor with longdoc's own critic: what matters comes first, and only verbatim."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from made_documents import document_of, markdown

from compressor import Compression, Compressor, CompressorConfig, Instruction
from compressor.compressor import said_once
from compressor.critics.base import TokenScores
from compressor.critics.small import CHECKPOINT, FILES, SmallCritic
from compressor.instruction import Granularity
from compressor.windows import Window
from documents.document import Block, BlockKind, Document, Evidence
from documents.errors import (
    Cancelled,
    ModelError,
    ModelUnavailableError,
    QuestionError,
    SettingsError,
)

REPORT = """\
# Annual report of Harrow Mills

Harrow Mills makes flour, bread mixes and animal feed. It has done so for three generations.

The founder, Edith Harrow, bought the first mill in 1931. She ran it alone for eight years.

The mill stands beside the canal. Barges brought the grain until the railway came.

Today the grain comes by lorry from farms within forty miles. A few farmers still use tractors.

The market for flour was steady. Bakeries ordered a little more, households a little less.

Competition from abroad grew. Two importers opened depots near the coast.

The weather was dry in spring and wet in August. The harvest came in two weeks late.

## Property

The lease of the northern warehouse was signed on 14 March 2019. It runs for twelve years.

The southern warehouse belongs to the company. Its roof was renewed last summer.

The canteen was painted. New chairs were bought for it.

The car park was widened to hold sixty cars. Bicycles have a shed of their own.

A survey of the main building found no cracks. The surveyor will come again in five years.

## People

The company has 412 employees. Most of them live in the valley.

Marion Castell has been chief executive since 2016. Before that she ran the feed division.

The finance director, Paul Odhiambo, will retire in June. A search for a successor has begun.

Apprentices spend a day each week at the college. Nine finished their training.

Three drivers were honoured for thirty years without an accident.

The choir sang at the summer fair. It plans a concert for the winter.

## Operations

A new roller line was installed in the east wing. It grinds six tonnes of wheat an hour.

The old stone mill is shown to visitors on Sundays. School classes come in spring.

A fire in the silo in October stopped production for nine days. Nobody was hurt.

The cause of the fire was a worn bearing in the conveyor. All bearings were then replaced.

Electricity comes partly from panels on the roof. They gave a fifth of what was used.

Water is taken from the canal under a licence. The licence has to be renewed every ten years.

## Finance

The bank lent the company 4.5 million pounds for the roller line. The loan is repaid by 2031.

The company paid no dividend this year. The directors want to keep cash for the silo.

The auditors, Bell and Hardy, gave an opinion without reservations.

Insurance paid for most of the damage from the fire. The company bore the first 50,000 pounds.

Prices of packaging rose. Paper bags have taken the place of plastic ones.

The next general meeting will be held in the town hall. Tea will be served.
"""

ACCOUNTS = """\
# Accounts

The amounts are in thousands of pounds.

| Item | 2023 | 2022 |
|---|---|---|
| Revenue | 48,210 | 45,900 |
| Cost of grain | 21,030 | 20,480 |
| Wages and salaries | 11,875 | 11,020 |
| Depreciation | 2,340 | 2,115 |
| Energy | 3,905 | 3,310 |
| Interest expense | 418 | 377 |
| Income taxes | 1,266 | 1,204 |
| Inventories | 5,072 | 4,866 |
| Trade receivables | 6,931 | 6,480 |
| Bank loans | 4,500 | 900 |
"""

SENTENCE = Instruction("sentence")


@pytest.fixture(scope="module")
def compressor() -> Compressor:
    return Compressor(CompressorConfig())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return markdown(tmp_path_factory.mktemp("report") / "harrow_mills.md", REPORT)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return markdown(tmp_path_factory.mktemp("accounts") / "accounts.md", ACCOUNTS)


def texts(found: Compression, *documents: Document) -> list[str]:
    by_id = {document.id: document for document in documents}
    return [by_id[unit.span.document].slice(unit.span) for unit in found.units]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was the lease of the northern warehouse signed?", "14 March 2019"),
        ("How many employees does the company have?", "412 employees"),
        ("Who is the chief executive?", "Marion Castell"),
        ("What caused the fire?", "worn bearing"),
        ("How much did the bank lend to the company?", "4.5 million"),
        ("Who bought the first mill?", "Edith Harrow"),
    ],
)
def test_the_sentence_that_answers_is_among_the_first(
    compressor: Compressor, report: Document, question: str, answer: str
) -> None:
    """Of fifty sentences among the best three: the first critic favours a window's beginning."""
    found = texts(compressor.compress(SENTENCE, question, [report]), report)
    assert any(answer in text for text in found[:3])


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What were wages and salaries in 2023?", "Wages and salaries"),
        ("What was the interest expense in 2022?", "Interest expense"),
        ("How much were trade receivables?", "Trade receivables"),
        ("What was depreciation in 2023?", "Depreciation"),
    ],
)
def test_the_row_asked_for_comes_first(
    compressor: Compressor, accounts: Document, question: str, row: str
) -> None:
    found = texts(compressor.compress(Instruction("row"), question, [accounts]), accounts)
    assert row in found[0]
    assert not any("Item | 2023" in text for text in found)


def test_a_text_without_an_answer_scores_far_less(
    compressor: Compressor, report: Document, accounts: Document
) -> None:
    question = "When was the lease of the northern warehouse signed?"
    answered = compressor.compress(SENTENCE, question, [report]).units[0].score
    elsewhere = compressor.compress(SENTENCE, question, [accounts]).units[0].score
    nowhere = (
        compressor.compress(SENTENCE, "What is the capital of Mongolia?", [report]).units[0].score
    )
    assert answered > 2 * elsewhere
    assert answered > 2 * nowhere


def test_what_to_look_for_decides_what_is_kept(compressor: Compressor, report: Document) -> None:
    wanted = {
        "How many employees are there?": "412 employees",
        "Who are the auditors?": "auditors",
        "When was the lease signed?": "lease",
    }
    best = {
        text: texts(compressor.compress(Instruction("sentence", text), "", [report]), report)[:3]
        for text in wanted
    }
    for asked, answer in wanted.items():
        for text, found in best.items():
            assert any(answer in each for each in found) == (text == asked), (answer, text, found)


def test_of_two_documents_the_one_that_answers_comes_first(
    compressor: Compressor, report: Document, accounts: Document
) -> None:
    both = [
        Document("report", report.name, report.text, (), report.blocks),
        Document("accounts", accounts.name, accounts.text, (), accounts.blocks),
    ]
    found = compressor.compress(Instruction("row"), "What was depreciation in 2023?", both)
    assert found.units[0].span.document == "accounts"
    found = compressor.compress(SENTENCE, "Who is the chief executive?", both)
    assert found.units[0].span.document == "report"
    assert {unit.span.document for unit in found.units} == {"report", "accounts"}


@pytest.mark.parametrize("size", ["word", "sentence", "row", "paragraph"])
def test_units_are_ranked_apart_and_repeatable(
    compressor: Compressor, report: Document, size: Granularity
) -> None:
    asked = "When was the lease of the northern warehouse signed?"
    found = compressor.compress(Instruction(size), asked, [report])
    assert found.units
    scores = [unit.score for unit in found.units]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    in_order = sorted(unit.span for unit in found.units)
    assert not any(one.overlaps(other) for one, other in pairwise(in_order))
    again = Compressor(CompressorConfig()).compress(Instruction(size), asked, [report])
    assert again.units == found.units


def test_sentences_are_verbatim(compressor: Compressor, report: Document) -> None:
    found = texts(compressor.compress(SENTENCE, "What caused the fire?", [report]), report)
    written = " ".join(REPORT.split())
    assert len(found) > 40
    for text in found:
        assert text in written
        assert text[0].isupper() or text[0] == "#"
        assert text[-1] == "." or text[0] == "#"


def test_words_are_whole(compressor: Compressor, report: Document) -> None:
    asked = "When was the lease of the northern warehouse signed?"
    found = compressor.compress(Instruction("word"), asked, [report])
    assert found.units
    for unit in found.units:
        around = report.text[max(0, unit.span.start - 1) : unit.span.end + 1]
        inside = report.slice(unit.span)
        assert not (around[0].isalnum() and inside[0].isalnum() and around[0] != inside[0])
        assert not (around[-1].isalnum() and inside[-1].isalnum())


def test_a_document_given_twice_is_read_once(compressor: Compressor, accounts: Document) -> None:
    once = compressor.compress(SENTENCE, "What were wages?", [accounts])
    twice = compressor.compress(SENTENCE, "What were wages?", [accounts, accounts])
    assert twice.units == once.units
    assert twice.stats.tokens == once.stats.tokens > 0


def test_what_windows_are_scored_with_changes_nothing(report: Document) -> None:
    def scores(batch_tokens: int) -> list[float]:
        config = CompressorConfig(window_tokens=256, batch_tokens=batch_tokens, dtype="fp32")
        found = Compressor(config).compress(SENTENCE, "Who is the chief executive?", [report])
        assert found.stats.windows > 2
        return [unit.score for unit in sorted(found.units, key=lambda unit: unit.span)]

    assert scores(1) == pytest.approx(scores(8192), abs=1e-4)


def test_nothing_to_read_gives_nothing(compressor: Compressor) -> None:
    for documents in ([], [document_of([])], [document_of([("furniture", "Page 1")])]):
        found = compressor.compress(SENTENCE, "What were wages?", documents)
        assert (found.units, found.stats.windows, found.stats.tokens) == ((), 0, 0)


def test_a_very_long_question_leaves_room_to_read(accounts: Document) -> None:
    compressor = Compressor(CompressorConfig(window_tokens=256))
    found = compressor.compress(SENTENCE, "What were wages? " * 500, [accounts])
    assert len(found.units) > 5


class Counting(SmallCritic):
    """Counts the windows it has scored."""

    scored = 0

    def score(
        self, instruction: Instruction, question: str, windows: Sequence[Window]
    ) -> list[TokenScores]:
        self.scored += len(windows)
        return super().score(instruction, question, windows)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_stop_is_heeded_within_one_batch(report: Document, after: int) -> None:
    config = CompressorConfig(window_tokens=256, batch_tokens=1)
    critic = Counting(config)
    with pytest.raises(Cancelled):
        Compressor(config, critic).compress(
            SENTENCE, "Who?", [report], cancelled=lambda: critic.scored >= after
        )
    assert critic.scored == after


def test_progress_ends_at_the_total(report: Document) -> None:
    told: list[tuple[str, int, int]] = []
    config = CompressorConfig(window_tokens=256, batch_tokens=1)
    found = Compressor(config).compress(
        SENTENCE, "Who?", [report], progress=lambda *what: told.append(what)
    )
    total = found.stats.windows
    assert total > 2
    scoring = [step for step in told if step[0] == "compressing"]
    assert scoring == [("compressing", done, total) for done in range(total + 1)]
    assert told[-1][0] == "embedding" and told[-1][1] == told[-1][2]


@pytest.mark.parametrize("question", ["", " \n\t"])
def test_an_empty_question_is_refused(
    compressor: Compressor, report: Document, question: str
) -> None:
    with pytest.raises(QuestionError, match="empty"):
        compressor.compress(SENTENCE, question, [report])


def checkpoint(folder: Path) -> Path:
    """A folder whose files are those of the critic."""
    folder.mkdir()
    for name in FILES:
        (folder / name).symlink_to(CHECKPOINT / name)
    return folder


def ask(folder: Path) -> Compression:
    return Compressor(CompressorConfig(critic=folder)).compress(
        SENTENCE, "Who?", [document_of([("paragraph", "Somebody.")])]
    )


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = checkpoint(tmp_path / "critic")
    assert ask(folder).stats.windows == 1
    (folder / name).unlink()
    with pytest.raises(ModelUnavailableError, match=name) as caught:
        ask(folder)
    assert "compressor.critic" in caught.value.hint


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=str(tmp_path / "none")):
        ask(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b'{"hidden_size": 24}'),
        ("config.json", b'{"hidden_act": "none such"}'),
        ("model.safetensors", b""),
        ("model.safetensors", b"no weights at all" * 9),
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"\xff\xfe"),
    ],
)
def test_a_broken_file_is_a_model_error(tmp_path: Path, name: str, data: bytes) -> None:
    folder = checkpoint(tmp_path / "critic")
    (folder / name).unlink()
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        ask(folder)
    assert not isinstance(caught.value, ModelUnavailableError)
    assert str(folder) in str(caught.value)
    assert "compressor.critic" in caught.value.hint


def test_cut_off_weights_are_a_model_error(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "critic")
    (folder / "model.safetensors").unlink()
    whole = (CHECKPOINT / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        ask(folder)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"compressor\.window_tokens is 513"):
        CompressorConfig(window_tokens=513)
    with pytest.raises(SettingsError, match=r"compressor\.threads is 0"):
        CompressorConfig(threads=0)
    with pytest.raises(SettingsError, match=r"compressor\.dtype"):
        CompressorConfig(dtype="fp8")  # type: ignore[arg-type]


def test_a_prompt_is_one_line() -> None:
    assert Instruction("row").prompt(" Who\n was it? ") == "row: Who was it?"
    assert Instruction("word", "the \n names").prompt("Who?") == "word: the names Who?"


def test_settings_are_read_without_the_heavy_libraries() -> None:
    code = (
        "import sys, compressor, compressor.config\n"
        "compressor.CompressorConfig(), compressor.Instruction()\n"
        "print([m for m in ('torch', 'transformers', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_running_heads_do_not_take_the_room_of_all_else() -> None:
    head = "HALDEN MARINE PLC AND ITS SUBSIDIARIES"
    parts = [
        f"{page} {head}\n\nThe fee of berth {page} is {page + 40} crowns." for page in range(9)
    ]
    text = "\n\n".join([*parts, "11", "| Rent | 12 |", "| Rent | 12 |"])
    blocks, start = [], 0
    for part in text.split("\n\n"):
        kind: BlockKind = "table_row" if part.startswith("|") else "paragraph"
        blocks.append(Block(kind, start, start + len(part), 0))
        start += len(part) + 2
    document = Document("a", "a.txt", text, (), tuple(blocks))
    ranked = [Evidence(document.span(block.start, block.end), 0.5) for block in blocks]
    kept = [document.slice(each.span) for each in said_once(ranked, {"a": document})]
    assert kept == [f"0 {head}", *(part.split("\n\n")[1] for part in parts), *["| Rent | 12 |"] * 2]
