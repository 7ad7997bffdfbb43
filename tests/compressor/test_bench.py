"""The speed benchmark times what it says: all of the text, the right passes, the right counts."""

from __future__ import annotations

import json
import mmap
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from compressor.bench import cprs, flops, measure, passes, small
from compressor.bench.__main__ import main
from compressor.config import CompressorConfig
from compressor.critics.encoder import load_model, save_model
from compressor.critics.qwen_model import CprsModel, build, layout
from compressor.critics.small import CHECKPOINT, SmallCritic
from compressor.instruction import Instruction
from documents.errors import DataError, SettingsError
from documents.progress import never_cancelled

ROOT = Path(__file__).parents[2]
BARE = "torch transformers accelerate numpy tokenizers safetensors filelock psutil pillow".split()
"""What the machine with the GPU has of longdoc's dependencies."""


@pytest.fixture(scope="module")
def model() -> CprsModel:
    torch.manual_seed(1)
    return passes.random_model(passes.SHAPES["tiny"], "sdpa", "cpu", torch.float32)


def ids_of(model: CprsModel, count: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(count)
    return torch.randint(model.config.vocab_size, (count,), generator=made)


def test_the_large_shape_is_the_published_model() -> None:
    """Qwen2.5-7B has 7,615,616,512 parameters, by its card."""
    whole = build({**passes._COMMON, **passes.SHAPES["7b"]})
    sizes = {key: int(np.prod(shape)) for key, shape in layout(whole).items()}
    heads = sizes.pop("cls_head.weight") + sizes.pop("cls_head.bias")
    assert sum(sizes.values()) == 7_615_616_512
    assert heads == 4 * 3584 + 4
    assert [layer.self_attn.is_causal for layer in whole.model.layers] == [True] * 21 + [False] * 7


@pytest.mark.parametrize("chunk", [1, 7, 40, 99, 100])
def test_a_prefill_in_chunks_ends_like_one_in_a_single_pass(model: CprsModel, chunk: int) -> None:
    from transformers import Qwen2ForCausalLM

    ids = ids_of(model, 100)
    plain = Qwen2ForCausalLM(model.config).eval()
    assert model.lm_head is not None
    plain.model.load_state_dict(model.model.state_dict())
    plain.lm_head.load_state_dict(model.lm_head.state_dict())
    with torch.inference_mode():
        wanted = plain(ids[None]).logits[0, -1]
    found, cache = passes.prefill(model, ids, chunk)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert cache.get_seq_length() == 100
    assert model.config._attn_implementation == "sdpa"


def test_windows_cover_all_tokens_and_need_no_padding() -> None:
    for length in (1, 9, 10, 11, 95, 100):
        batches = list(passes.window_batches(length, room=10, parallel=4))
        ranges = [each for batch in batches for each in batch]
        assert [token for a, b in ranges for token in range(a, b)] == list(range(length))
        assert all(len(batch) <= 4 and len({b - a for a, b in batch}) == 1 for batch in batches)


def test_windows_side_by_side_are_scored_as_each_alone(model: CprsModel) -> None:
    ids, prompt = ids_of(model, 100), ids_of(model, 8)
    batches = list(passes.window_batches(100, 24, 3))
    together = [passes.read_windows(model, prompt, ids, batch) for batch in batches]
    alone = [passes.read_windows(model, prompt, ids, [each]) for batch in batches for each in batch]
    for part in (0, 1):
        found = torch.cat([each[part] for each in together])
        torch.testing.assert_close(found, torch.cat([each[part] for each in alone]))
        assert len(found) == 100


def test_operations_are_those_that_pytorch_counts(model: CprsModel) -> None:
    """PyTorch counts what the mask takes away too."""
    config, ids, prompt = model.config, ids_of(model, 100), ids_of(model, 8)
    batches = list(passes.window_batches(100, 24, 3))
    texts = [b - a for batch in batches for a, b in batch]
    masked = sum((8 + text) ** 2 - flops.causal_pairs(8 + text) for text in texts)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        for batch in batches:
            passes.read_windows(model, prompt, ids, batch)
    ours = flops.window_flops(config, 3, 8, texts, classes=6)
    assert counter.get_total_flops() == ours + 3 * flops.attention_flops(config, masked)

    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        passes.prefill(model, ids, 100)
    masked = 100**2 - flops.causal_pairs(100)
    ours = flops.prefill_flops(config, 100)
    assert counter.get_total_flops() == ours + 4 * flops.attention_flops(config, masked)
    assert flops.causal_pairs(100) == int(torch.ones(100, 100).tril().sum())


@pytest.mark.parametrize("limit", [300, 100])
def test_out_of_memory_means_shorter_chunks_and_then_is_reported(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passes.prefill

    def prefill(model: CprsModel, ids: torch.Tensor, chunk: int) -> object:
        if chunk > limit:
            raise torch.OutOfMemoryError("none left")
        return real(model, ids, chunk)

    monkeypatch.setattr(cprs, "prefill", prefill)
    monkeypatch.setattr(cprs, "LEAST_CHUNK", 200)
    task = cprs.Task("tiny", (100, 1000), compressed=50, window=128, prompt=16, repeats=1)
    bench = cprs.Bench(task)
    short, long = bench.rows()
    assert short.direct.chunk == 100
    assert short.ratio is not None
    assert short.together is not None
    assert long.together is not None
    assert long.windows.flop > short.windows.flop
    if limit == 300:
        assert long.direct.chunk == 250
        assert long.ratio is not None
    else:
        assert long.direct.samples is None
        assert long.ratio is None
        assert cprs.report(bench, [short, long]).count("out of memory") == 1


def test_a_run_that_fails_otherwise_is_not_taken_for_one_out_of_memory() -> None:
    def run() -> None:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        measure.unless_out_of_memory(run, "cpu", 1)


def test_a_long_run_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = list[int]()
    assert len(measure.repeated(lambda: runs.append(1), "cpu", 3)) == 3
    assert len(runs) == 4
    monkeypatch.setattr(measure, "LONG_S", 0.0)
    assert len(measure.repeated(lambda: runs.append(1), "cpu", 3)) == 1
    assert len(runs) == 5


def test_the_peak_is_seen_though_it_is_over() -> None:
    size = 25 << 20

    def fill() -> None:  # memory that was never the process's before: malloc might have some left
        with mmap.mmap(-1, size) as fresh:
            for page in range(0, size, mmap.PAGESIZE):
                fresh[page] = 1

    before = measure.resident_mib()
    found = measure.once(fill, "cpu")
    if before is None or found.peak_mib is None:
        pytest.skip("the system does not say")
    assert found.peak_mib > before + 20
    after = measure.resident_mib()
    assert after is not None
    assert after < found.peak_mib - 15


def rows_of(table: str) -> list[list[str]]:
    """The cells of a Markdown table's rows, its head first."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_large_critic_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cprs.json"
    command = "cprs --shape tiny --lengths 300,700 --compressed 100 --window 128 --prompt 16"
    main([*command.split(), "--dtype", "fp32", "--repeats", "2", "--out", str(out)])
    head, _, *rows = rows_of(capsys.readouterr().out)
    assert [row[0] for row in rows] == ["300", "700"]
    assert {len(row) for row in rows} == {len(head)}
    written = json.loads(out.read_text())
    assert written["command"].startswith(f"python -m compressor.bench {command}")
    assert {"machine", "date", "torch", "transformers"} <= written.keys()
    assert written["matrix_flop_per_s"] > 0
    for row in written["rows"]:
        assert row["ratio"] == pytest.approx(row["direct_s"] / row["together_s"])
        for part in ("windows", "compressed", "direct"):
            assert len(row[part]["samples"]) == 2
            assert row[part]["share"] > 0


def test_the_small_critic_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.json"
    main(f"small --lengths 900,300 --repeats 1 --cascade 200 --out {out}".split())
    head, _, *rows = rows_of(capsys.readouterr().out)
    assert {len(row) for row in rows} == {len(head)}
    written = json.loads(out.read_text())
    assert [row["tokens"] for row in written["rows"]] == [int(row[0]) for row in rows]
    for length, row in zip((300, 900), written["rows"], strict=True):
        assert length <= row["tokens"] < length + 300
        names = [
            "first",
            "prepare",
            "later",
            "cascade first",
            "cascade later",
            "plain",
            "embedding",
        ]
        assert list(row["parts"]) == names
        assert all(len(samples) == 1 for samples in row["parts"].values())
        assert 1 <= row["read"] <= row["windows"]
        first = row["parts"]["first"][0]
        assert first["peak_mib"] is None or first["peak_mib"] >= row["before_mib"] - 1
    assert row["read"] < row["windows"]


def test_plain_pytorch_computes_what_the_critic_does() -> None:
    config = CompressorConfig(dtype="fp32")
    critic = SmallCritic(config)
    plain = small.Plain(CHECKPOINT, *small.device_and_dtype("fp32"))
    document = small.made_document(small.Task(), plain.tokenizer, 1200)
    prepared = critic.prepare(document, never_cancelled)
    asked = (Instruction(), small.ASKED[0])
    windows = list(critic.windows(*asked, prepared))
    wanted = critic.score(*asked, windows)
    rows = plain.rows(windows, asked[0].prompt(asked[1]))
    found = plain.score(rows)[0]
    assert len(windows) > 2
    order = sorted(range(len(windows)), key=lambda n: windows[n].last - windows[n].first)
    for keep, (ids, text), number in zip(found, rows, order, strict=True):
        own = keep[text : len(ids) - 1].numpy()
        np.testing.assert_allclose(own, wanted[number].keep, atol=1e-4)


def test_another_critic_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_model(CHECKPOINT)
    model.config.apart_layers = 4
    save_model(model, tmp_path)
    for name in ("tokenizer.json", "fusion.json"):
        shutil.copy(CHECKPOINT / name, tmp_path)
    main(f"small --lengths 1200 --repeats 1 --critic {tmp_path}".split())
    head, _, row = rows_of(capsys.readouterr().out)
    found = dict(zip(head, row, strict=True))
    assert float(found["later tokens/s"]) > float(found["first tokens/s"])


def test_retrieval_embeds_all_tokens_in_parts_of_a_chunk() -> None:
    tokenizer = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    document = small.made_document(small.Task(), tokenizer, 1100)
    prepared = SmallCritic(CompressorConfig()).prepare(document, never_cancelled)
    parts = small.in_parts(prepared)
    sizes = np.diff(parts.pieces)
    assert sizes.sum() == len(prepared.ids)
    assert set(sizes[:-1].tolist()) == {small.PART_TOKENS}


def test_a_file_gives_the_text_and_is_read_again_from_its_beginning(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    path = tmp_path / "own.txt"
    path.write_text("The mill burns.\n\nNobody is hurt, says the clerk.\n")
    made = small.made_document(replace(small.Task(), text=path), tokenizer, 30)
    assert re.fullmatch(r"(The mill burns\.\s+Nobody is hurt, says the clerk\.\s*)+", made.text)
    assert made.text.count("mill") > 1
    path.write_text("\n\n")
    with pytest.raises(DataError, match="no text"):
        small.made_document(replace(small.Task(), text=path), tokenizer, 30)


def test_a_window_has_room_beside_its_prompt() -> None:
    with pytest.raises(SettingsError, match="no room"):
        cprs.Task(window=128, prompt=128)
    with pytest.raises(SystemExit, match="no room"):
        main(["cprs", "--shape", "tiny", "--window", "100"])


def test_the_large_critic_runs_where_little_is_installed() -> None:
    """On a rented GPU there may be PyTorch and transformers, and no network for the rest."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    named = re.search(r"^dependencies = \[(.*?)\]", project, re.M | re.S)
    assert named is not None
    names = {re.split(r"[=>]", name)[0] for name in re.findall(r'"([^"]+)"', named.group(1))}
    absent = sorted(name.replace("-", "_") for name in names - set(BARE))
    assert "platformdirs" in absent
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent!r}))\n"  # importing them then fails
        "from compressor.bench.__main__ import main\n"
        "command = 'cprs --shape tiny --lengths 200 --window 64 --prompt 8'\n"
        "main([*command.split(), '--dtype', 'fp32', '--repeats', '1'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(rows_of(done.stdout)) == 3
