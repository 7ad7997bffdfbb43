"""The warm-up: traces worth 1, the loss of the reply alone, and a killed run that goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from app import cli
from app.train import STAGES
from documents.errors import DataError, SettingsError
from policy.parsing import parse_answer
from policy.rewards import score
from policy.training import models, sft
from policy.training.logs import Log, read_log
from policy.training.rows import Row, read_rows, write_rows
from policy.training.traces import ABSENT, LONGEST_QUOTE, MOST_QUOTES, gold_trace, traces
from policy.values import Message

SHIPPED = Path(sft.__file__).with_name("sft.toml")
USER: tuple[Message, ...] = ({"role": "user", "content": "When?"},)
BEFORE_KILL = 5
"""An epoch has six steps, with a checkpoint each second one: 5 is in mid-epoch, after 4's."""

MOMENTS = {"step": BEFORE_KILL, "saving": 6}
"""When the child is killed, and the last step in its log then."""

CHILD = """
import json, os, signal, sys
from pathlib import Path
from policy.training import sft

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def run(moment, values):
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    training = sft.Training(sft.Config(**values), lambda line: None)
    step, replace = training._one, Path.replace
    def one():
        if moment == "step" and training.step == 5:
            kill()
        return step()
    def late(self, target):
        if moment == "saving" and self.name == "checkpoint.new" and training.step == 6:
            kill()
        return replace(self, target)
    training._one, Path.replace = one, late
    training.run()

for moment, values in json.loads(sys.argv[1]).items():
    pid = os.fork()  # the libraries are loaded once
    if pid == 0:
        run(moment, values)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> sft.Config:
    """The committed configuration's smoke values, on made-up data: six steps an epoch."""
    folder = tmp_path_factory.mktemp("sft")
    made = sft.read_config(sft.Config, SHIPPED, smoke=True)
    made = sft.on_made_up(made, folder, lambda line: None)
    return replace(made, threads=1, batch=2, micro_batch=1, epochs=2)


@pytest.fixture(scope="module")
def unbroken(config: sft.Config) -> list[dict[str, float]]:
    sft.train(config, lambda line: None)
    return curve(Path(config.out))


def curve(out: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_log(out / "log.jsonl")]


def row(golds: tuple[str, ...], *quotes: tuple[int, str], **extra: Any) -> Row:
    told = {"answerable": True, "evidence": [list(quote) for quote in quotes], **extra}
    return Row(USER, "longdoc/made", golds, told)


# traces


def test_a_gold_trace_quotes_reasons_answers_and_cites() -> None:
    made = gold_trace(row(("the year 1411", "1411"), (3, "It rained."), (7, "Opened in 1411.")))
    assert made is not None
    parsed = parse_answer(made)
    assert parsed.final == "1411" and parsed.citations == (7,)
    assert made.startswith("<think>\n") and made.index("Opened in 1411.") < made.index("</think>")
    assert made.endswith("Therefore, the answer is 1411 [7].")
    assert score(made, ("1411",)).exact == 1.0


def test_an_answer_from_several_passages_cites_them_all() -> None:
    made = gold_trace(row(("no",), (2, "A is from Rome."), (5, "B is from Paris.")))
    assert made is not None and parse_answer(made).citations == (2, 5)


def test_of_many_quotes_those_with_the_answer_and_the_questions_words_stay() -> None:
    many = [(n, f"Filler number {n}.") for n in range(1, 7)]
    many[1] = (2, "The harbour was built by Ann.")
    many[5] = (6, "Ann died in\n1411.")
    made = gold_trace(row(("1411",), *many, question="When did the builder of the harbour die?"))
    assert made is not None
    assert made.count("Evidence [") == MOST_QUOTES
    assert 'Evidence [2] says: "The harbour' in made and 'Evidence [6] says: "Ann died' in made
    assert parse_answer(made).citations == (6,)


def test_what_is_not_there_is_refused() -> None:
    made = gold_trace(Row(USER, "longdoc/made", (ABSENT,), {"answerable": False, "evidence": []}))
    assert made is not None
    assert parse_answer(made).refused and score(made, (ABSENT,)).exact == 1.0


def test_no_trace_where_the_answer_cannot_be_read_back() -> None:
    assert gold_trace(row(("[12]",), (1, "See [12]."))) is None
    assert gold_trace(row(("1411",))) is None
    assert gold_trace(Row(USER, "musique", ("1411",))) is None


def test_a_long_quote_is_cut_around_the_answer_between_words() -> None:
    quote = "alpha " * 200 + "opened in 1411 " + "omega " * 200
    made = gold_trace(row(("1411",), (1, quote)))
    assert made is not None
    said = made.split('"')[1]
    assert "1411" in said and len(said) <= LONGEST_QUOTE
    assert set(said.split()) <= {"alpha", "opened", "in", "1411", "omega"}


def test_sampled_traces_stand_before_the_made_one() -> None:
    asked = row(("1411",), (1, "Opened in 1411."), traces=["<think>\nx\n</think>\n\ny"])
    assert len(traces(asked)) == 2
    assert traces(asked, gold=False) == ["<think>\nx\n</think>\n\ny"]


def test_every_made_row_has_a_trace_worth_one(config: sft.Config) -> None:
    rows = read_rows(Path(config.data[0]))
    assert len(rows) == 12
    for made in rows:
        (trace,) = traces(made)
        assert score(trace, made.golds).exact == 1.0


# the loss


def test_the_loss_is_transformers_own_on_the_reply_alone(config: sft.Config) -> None:
    """One row, where neither padding nor the mean over rows can differ."""
    tokenizer = models.load_tokenizer(Path(config.model))
    model = models.load_model(Path(config.model)).eval()
    made = read_rows(Path(config.data[0]))[0]
    example = sft.encode(tokenizer, made, traces(made)[0])
    ids = torch.tensor([example.ids])
    labels = ids.clone()
    labels[:, : -example.reply] = -100
    ours = sft.loss_of(model, sft.collate([example], torch.device("cpu")))
    torch.testing.assert_close(ours, model(input_ids=ids, labels=labels).loss)
    reply = tokenizer.decode(example.ids[-example.reply :])
    assert reply == traces(made)[0] + tokenizer.eos_token


def test_padding_does_not_change_the_loss(config: sft.Config) -> None:
    tokenizer = models.load_tokenizer(Path(config.model))
    model = models.load_model(Path(config.model)).eval()
    short = sft.encode(tokenizer, row(("x",)), "<think>\na\n</think>\n\nb")
    made = read_rows(Path(config.data[0]))[0]
    long = sft.encode(tokenizer, made, traces(made)[0])
    cpu = torch.device("cpu")
    alone = [sft.loss_of(model, sft.collate([one], cpu)) * one.reply for one in (short, long)]
    both = sft.loss_of(model, sft.collate([short, long], cpu)) * (short.reply + long.reply)
    torch.testing.assert_close(both, sum(alone), rtol=1e-5, atol=1e-5)


def test_a_template_that_opens_thinking_is_not_opened_twice(config: sft.Config) -> None:
    tokenizer = models.load_tokenizer(Path(config.model))
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>\n{% endif %}"
    example = sft.encode(tokenizer, row(("x",)), "<think>\na\n</think>\n\nb")
    assert tokenizer.decode(example.ids).count("<think>") == 1


# runs


@pytest.mark.parametrize("name", ["gpu0", *([] if torch.cuda.is_available() else ["cuda"])])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        models.device_of(name)


def test_the_rate_rises_then_falls_in_a_line(config: sft.Config) -> None:
    slow = replace(config, warmup_steps=4, learning_rate=1.0)
    assert [sft.rate_at(slow, step, 10) for step in (1, 2, 4, 10)] == [0.25, 0.45, 0.7, 0.1]


def test_parts_of_a_batch_add_up_to_the_whole(config: sft.Config, tmp_path: Path) -> None:
    whole = replace(config, micro_batch=2, epochs=1, warmup_steps=0, out=str(tmp_path / "a"))
    parts = replace(whole, micro_batch=1, out=str(tmp_path / "b"))
    one, other = (sft.Training(c, lambda line: None)._one() for c in (whole, parts))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert one["gradient"] == pytest.approx(other["gradient"], rel=1e-4)


def test_it_learns_and_leaves_a_model(config: sft.Config, unbroken: list[dict[str, float]]) -> None:
    assert [entry["step"] for entry in unbroken] == list(range(1, 13))
    assert unbroken[-1]["loss"] < 0.9 * unbroken[0]["loss"]
    held = [entry["held"] for entry in unbroken if "held" in entry]
    assert held[-1] < held[0]
    place = Path(config.out) / "model"
    before = models.load_model(Path(config.model)).state_dict()
    after = models.load_model(place).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert models.load_tokenizer(place).chat_template
    assert list((Path(config.out) / "tensorboard").glob("events*"))


@pytest.fixture(scope="module")
def killed(config: sft.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, sft.Config]:
    """Two runs that ended by SIGKILL: inside a step, and while a checkpoint was being put in
    place."""
    folder = tmp_path_factory.mktemp("killed")
    runs = {moment: replace(config, out=str(folder / moment)) for moment in MOMENTS}
    told = json.dumps({moment: asdict(broken) for moment, broken in runs.items()})
    done = subprocess.run(
        [sys.executable, "-c", CHILD, told], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["-9", "-9"], done.stderr
    return runs


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_killed_in_mid_epoch_and_resumed_equals_unbroken(
    unbroken: list[dict[str, float]], killed: dict[str, sft.Config], moment: str
) -> None:
    out = Path(killed[moment].out)
    assert len(curve(out)) == MOMENTS[moment]
    assert not (out / "model").exists()
    told: list[str] = []
    sft.train(killed[moment], told.append)
    assert "going on after step 4 of 12" in told
    assert curve(out) == unbroken


def test_another_configuration_does_not_go_on(
    config: sft.Config, unbroken: list[dict[str, float]]
) -> None:
    with pytest.raises(SettingsError, match="another configuration"):
        sft.Training(replace(config, learning_rate=1e-4), lambda line: None)


def test_another_model_of_the_same_name_does_not_go_on(config: sft.Config, tmp_path: Path) -> None:
    place, copy = tmp_path / "model", tmp_path / "copy"
    shutil.copytree(config.model, place)
    own = replace(config, model=str(place), out=str(tmp_path / "out"))
    sft.Training(own, lambda line: None).save()
    shutil.copytree(place, copy)
    shutil.rmtree(place)
    copy.rename(place)
    sft.Training(own, lambda line: None)  # a copy is the same model
    other = models.load_model(place)
    with torch.no_grad():
        other.model.norm.weight += 1
    other.save_pretrained(str(place))
    with pytest.raises(SettingsError, match="another model"):
        sft.Training(own, lambda line: None)


def test_an_adapter_trains_alone_and_goes_on(config: sft.Config, tmp_path: Path) -> None:
    small = replace(config, lora_rank=2, recompute=True, out=str(tmp_path), epochs=1, held=())
    training = sft.Training(small, lambda line: None)
    assert 0 < sum(p.numel() for p in training.learnt) < 10_000
    for _ in range(2):
        training._one()
    training.save()
    later = sft.Training(small, lambda line: None)
    assert later.step == 2
    assert training._one()["loss"] == later._one()["loss"]
    assert all(p.grad is not None and p.grad.any() for p in later.learnt)
    assert (later._export() / "adapter_model.safetensors").is_file()


def test_an_adapter_that_is_trained_further_stays_whole(config: sft.Config, tmp_path: Path) -> None:
    small = replace(config, lora_rank=2, epochs=1, held=(), out=str(tmp_path / "one"))
    first = sft.train(small, lambda line: None)
    again = replace(small, model=str(first), out=str(tmp_path / "two"), learning_rate=1e-9)
    merged, before = (
        models.load_model(folder).model.layers[0].mlp.up_proj.weight
        for folder in (sft.train(again, lambda line: None), first)
    )
    torch.testing.assert_close(merged, before, atol=1e-5, rtol=0)
    with pytest.raises(SettingsError, match="has 2"):
        sft.Training(replace(again, lora_rank=4), lambda line: None)


def test_the_made_trace_of_a_sampled_row_is_learnt_once(config: sft.Config, tmp_path: Path) -> None:
    rows = read_rows(Path(config.data[0]))
    sampled = (
        tmp_path / "sampled.jsonl"
    )  # as policy-data writes it: the same rows, some with traces
    write_rows(sampled, [replace(rows[0], extra={**rows[0].extra, "traces": ["A."]}), *rows[1:]])
    tokenizer = models.load_tokenizer(Path(config.model))
    alone, both = (
        sft.examples(tokenizer, files, config, lambda line: None)
        for files in (config.data, (*config.data, str(sampled)))
    )
    assert len(both) == len(alone) + 1


def test_too_long_is_left_out_and_counted(config: sft.Config, tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(DataError, match="No trace"):
        sft.Training(replace(config, longest=50, out=str(tmp_path)), told.append)
    assert told == ["0 traces; 12 longer than 50 left out"]


def test_a_loss_that_is_no_number_stops_the_run(config: sft.Config, tmp_path: Path) -> None:
    training = sft.Training(replace(config, out=str(tmp_path)), lambda line: None)
    with torch.no_grad():
        training.learnt[0].fill_(float("nan"))
    with pytest.raises(SettingsError, match="At step 1 the loss is nan"):
        training._one()


def test_a_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in (1, 2, 3):
        log.write(step, {"loss": float(step)})
    log.close()
    path = tmp_path / "log.jsonl"
    path.write_text(path.read_text("utf-8") + '{"step": 4, "lo', "utf-8")
    again = Log(tmp_path, 2)
    again.write(3, {"loss": 9.0})
    again.close()
    assert [entry["loss"] for entry in read_log(path)] == [1.0, 2.0, 9.0]


# the command


def test_the_command_lists_the_stages_with_files_that_exist() -> None:
    done = CliRunner().invoke(cli.app, ["train"])
    assert done.exit_code == 0
    files = [line.split()[-1] for line in done.stdout.splitlines() if "--config" in line]
    assert len(files) == len(STAGES) and all(Path(file).is_file() for file in files)
    assert "critic " in done.stdout


@pytest.mark.parametrize("arguments", [["train", "rl"], ["train", "policy-sft"]])
def test_a_wrong_command_says_what_there_is(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli.app, arguments)
    assert isinstance(done.exception, SettingsError)
    assert "policy-sft" in done.exception.message + done.exception.hint


def test_smoke_runs_the_stage_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = CliRunner().invoke(
        cli.app,
        ["train", "policy-data", "--config", str(SHIPPED.with_name("data.toml")), "--smoke"],
    )
    assert done.exit_code == 0, done.exception
    folder = Path(done.stdout.strip().splitlines()[-1])
    assert {file.name for file in folder.iterdir()} == {
        f"{half}-{length}.jsonl" for half in ("train", "held") for length in (420, 900)
    }


@pytest.mark.model
def test_a_packed_model_is_unpacked_for_good(tmp_path: Path) -> None:
    """Else it could be trained, and not saved after that."""
    model = models.load_model(models.folder_of("smollm2-135m"))
    model.save_pretrained(str(tmp_path))
    again = models.load_model(tmp_path).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in model.state_dict().items())
