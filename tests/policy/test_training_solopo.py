"""SoLoPO and the plain losses: one step against TRL's, gradients, cost, and a killed run."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from documents.errors import DataError, SettingsError
from policy.training import costs, losses, models, sft, sides, solopo
from policy.training.logs import read_log
from policy.training.pairs import read_pairs

SHIPPED = Path(solopo.__file__).with_name("solopo.toml")
CPU = torch.device("cpu")
BETA = {"dpo": 0.1, "simpo": 2.0, "orpo": 0.1}

CHILD = """
import json, os, signal, sys
from policy.training import solopo

for values in json.loads(sys.argv[1]):
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    pid = os.fork()
    if pid == 0:
        training = solopo.Training(solopo.Config(**values), lambda line: None)
        one = training.one
        def dying():
            if training.step == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return one()
        training.one = dying
        training.run()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> solopo.Config:
    """The committed smoke values on made-up pairs: three steps an epoch."""
    folder = tmp_path_factory.mktemp("solopo")
    made = solopo.read_config(solopo.Config, SHIPPED, smoke=True)
    made = solopo.on_made_up(made, folder, lambda line: None)
    return replace(made, threads=1, held_short="", held_long="")


@pytest.fixture(scope="module")
def parts(config: solopo.Config) -> list[sides.Sides]:
    tokenizer = models.load_tokenizer(Path(config.model))
    pairs = read_pairs(Path(config.pairs[0]))
    return sides.sides(tokenizer, pairs, config.longest, lambda line: None)


def curve(out: Path) -> list[dict[str, float]]:
    measured = {"seconds", "cpu_seconds", "peak_mib"}
    return [
        {k: v for k, v in row.items() if k not in measured} for row in read_log(out / "log.jsonl")
    ]


def plan(algorithm: losses.Algorithm, name: str = "solopo", **settings: Any) -> sides.Method:
    told = losses.Preference(algorithm, BETA[algorithm], gamma=0.5, weight=0.1)
    return sides.Method(name, told, **{"alpha": solopo.ALPHA[algorithm], **settings})


def reference_of(method: sides.Method, count: int) -> Tensor | None:
    """Made-up log-probabilities of the reference, for DPO."""
    if method.preference.algorithm != "dpo":
        return None
    rows = {"solopo": 4 if method.both else 3}.get(method.name, 2)
    return -40 - torch.arange(rows * count, dtype=torch.double).view(rows, count)


# the loss


def by_hand(
    model: Any, part: list[sides.Sides], method: sides.Method, reference: Tensor | None
) -> Tensor:
    """The loss pair by pair and sequence by sequence, without padding."""
    told, found = method.preference, []
    for place, side in enumerate(part):
        every = [e for some in side.read(method) for e in some]
        rewards, likelihoods = [], []
        for at, example in enumerate(every):
            ids = torch.tensor([example.ids])
            logps = losses.token_logps(model(ids).logits, ids)[:, -example.reply :]
            likelihoods.append(logps.mean())
            if told.algorithm == "dpo":
                assert reference is not None
                rewards.append(told.beta * (logps.sum() - reference[at, place]))
            elif told.algorithm == "simpo":
                rewards.append(told.beta * logps.mean())
            else:
                rewards.append(logps.mean() - torch.log(1 - logps.mean().exp()))
        chosen, rejected, *long = rewards
        gap = chosen - rejected - (told.gamma if told.algorithm == "simpo" else 0)
        odds = -torch.nn.functional.logsigmoid(gap)
        loss = told.weight * odds - likelihoods[0] if told.algorithm == "orpo" else odds
        if method.name == "solopo":
            loss = loss + method.alpha * (chosen - long[0]).abs()
        if method.both:
            loss = loss + method.alpha * (rejected - long[1]).abs()
        found.append(loss)
    return torch.stack(found).mean()


@pytest.mark.parametrize("algorithm", list(solopo.ALPHA))
@pytest.mark.parametrize(
    ("name", "both"), [("solopo", False), ("solopo", True), ("long", False), ("short", False)]
)
def test_the_loss_is_the_definitions(
    config: solopo.Config,
    parts: list[sides.Sides],
    algorithm: losses.Algorithm,
    name: str,
    both: bool,
) -> None:
    model = models.load_model(Path(config.model)).eval()
    method = plan(algorithm, name, both=both)
    reference = reference_of(method, 3)
    loss, values = sides.loss_of(model, parts[:3], reference, method, CPU)
    expected = by_hand(model, parts[:3], method, reference)
    torch.testing.assert_close(loss.double(), expected.double(), rtol=2e-4, atol=1e-4)
    assert ("alignment" in values) == (name == "solopo")


class Double(nn.Module):
    """A causal model in double precision throughout, as finite differences need it; Llama's norms
    are always in single."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(vocabulary, 6, dtype=torch.double)
        self.body = nn.GRU(6, 7, batch_first=True, dtype=torch.double)
        self.head = nn.Linear(7, vocabulary, dtype=torch.double)

    def forward(self, input_ids: Tensor, logits_to_keep: int, **_: Any) -> Any:
        hidden = self.body(self.embedding(input_ids))[0][:, -logits_to_keep:]
        return SimpleNamespace(logits=self.head(hidden))


@pytest.mark.parametrize("algorithm", list(solopo.ALPHA))
@pytest.mark.parametrize("both", [False, True])
def test_gradients_are_finite_differences(
    parts: list[sides.Sides], algorithm: losses.Algorithm, both: bool
) -> None:
    """Of the whole of SoLoPO, from token ids to the loss."""
    model, method = Double(600), plan(algorithm, both=both)
    reference = reference_of(method, 2)
    rows = [_cut(side) for side in parts[:2]]

    def loss() -> Tensor:
        return sides.loss_of(model, rows, reference, method, CPU)[0]

    loss().backward()  # type: ignore[no-untyped-call]
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        place = int(weight.grad.abs().argmax())
        slope = weight.grad.view(-1)[place].item()
        found = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                weight.view(-1)[place] += step
            found.append(loss().item())
        with torch.no_grad():
            weight.view(-1)[place] += 1e-6
        assert slope == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-3, abs=1e-7), name
        assert abs(slope) > 1e-6, name


def _cut(side: sides.Sides) -> sides.Sides:
    """Only the ends of the prompts, the long one's longer: a recurrent model is slow."""

    def end(pair: tuple[sft.Example, sft.Example], most: int) -> tuple[sft.Example, sft.Example]:
        first, second = (sft.Example(e.ids[-e.reply - most :], e.reply) for e in pair)
        return first, second

    return sides.Sides(end(side.short, 5), end(side.long, 15))


def test_a_step_of_dpo_equals_trls(config: solopo.Config, tmp_path: Path) -> None:
    """The same pairs, the same rate: the weights afterwards are TRL's."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class Ready(DPOTrainer):  # type: ignore[misc]
        """The pairs are token ids already."""

        def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
            return dataset

    told = replace(
        config, algorithm="dpo", method="long", batch=2, micro_batch=2, most_steps=1,
        warmup_steps=0, learning_rate=1e-2, out=str(tmp_path / "ours"), epochs=1,
    )  # fmt: skip
    training = solopo.Training(told, lambda line: None)
    chosen = [training.rows[i] for i in training._places()]
    ours = training.one()
    model = models.load_model(Path(config.model))
    tokenizer = models.load_tokenizer(Path(config.model))
    rows = [
        {
            "prompt_ids": list(side.long[0].ids[: -side.long[0].reply]),
            "chosen_ids": list(side.long[0].ids[-side.long[0].reply :]),
            "rejected_ids": list(side.long[1].ids[-side.long[1].reply :]),
        }
        for side in chosen
    ]
    settings = DPOConfig(
        output_dir=str(tmp_path / "theirs"), per_device_train_batch_size=2, max_steps=1,
        learning_rate=1e-2, lr_scheduler_type="constant", beta=told.beta, max_length=None,
        report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, max_grad_norm=1.0,
        save_strategy="no", logging_steps=1, disable_tqdm=True, seed=0,
    )  # fmt: skip
    trainer = Ready(
        model=model, args=settings, train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    (logged,) = [row for row in trainer.state.log_history if "loss" in row]
    assert logged["loss"] == pytest.approx(ours["loss"], rel=1e-4)
    assert logged["grad_norm"] == pytest.approx(ours["gradient"], rel=1e-3)
    for name, weight in training.model.named_parameters():
        torch.testing.assert_close(weight, model.state_dict()[name], rtol=1e-3, atol=1e-4)


# runs


@pytest.fixture(scope="module")
def unbroken(config: solopo.Config) -> dict[str, list[dict[str, float]]]:
    """The curve of SoLo-DPO, which also has a reference to keep."""
    told = replace(config, algorithm="dpo", out=f"{config.out}-dpo")
    solopo.train(told, lambda line: None)
    return {"dpo": curve(Path(told.out))}


def test_it_learns_to_prefer_and_leaves_a_model(
    config: solopo.Config, unbroken: dict[str, list[dict[str, float]]]
) -> None:
    for algorithm, rows in unbroken.items():
        assert [row["step"] for row in rows] == list(range(1, 7))
        assert rows[-1]["preference"] < rows[0]["preference"]
        assert rows[-1]["right"] == 1.0
        assert models.load_model(Path(f"{config.out}-{algorithm}") / "model")


def test_dpo_begins_at_its_reference(unbroken: dict[str, list[dict[str, float]]]) -> None:
    first = unbroken["dpo"][0]
    assert first["chosen_reward"] == pytest.approx(0, abs=1e-4)
    assert first["preference"] == pytest.approx(0.6931, abs=1e-3)
    assert first["alignment"] == pytest.approx(0, abs=1e-4)


def test_killed_in_mid_epoch_and_resumed_equals_unbroken(
    config: solopo.Config,
    unbroken: dict[str, list[dict[str, float]]],
    tmp_path: Path,
) -> None:
    runs = [
        replace(config, algorithm=algorithm, out=str(tmp_path / algorithm))
        for algorithm in unbroken
    ]
    told = json.dumps([asdict(broken) for broken in runs])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, told], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["-9"], done.stderr
    for broken in runs:
        assert len(curve(Path(broken.out))) == 5
        said: list[str] = []
        solopo.train(broken, said.append)
        assert "going on after step 4 of 6" in said
        assert curve(Path(broken.out)) == unbroken[broken.algorithm]
        assert not any("reference reads" in line for line in said)


def test_another_configuration_does_not_go_on(
    config: solopo.Config, unbroken: dict[str, list[dict[str, float]]]
) -> None:
    told = replace(config, algorithm="dpo", out=f"{config.out}-dpo", alpha=2.0)
    with pytest.raises(SettingsError, match="another configuration"):
        solopo.Training(told, lambda line: None)


def test_parts_of_a_batch_add_up_to_the_whole(config: solopo.Config, tmp_path: Path) -> None:
    """Not SoLo-DPO: in its first step rounding decides the direction of the alignment."""
    for algorithm, method in (("dpo", "long"), ("simpo", "solopo"), ("orpo", "solopo")):
        out = str(tmp_path / algorithm)
        told = replace(config, algorithm=algorithm, method=method, out=out)
        runs = (replace(told, micro_batch=size, out=f"{told.out}{size}") for size in (1, 4))
        one, other = (solopo.Training(run, lambda line: None).one() for run in runs)
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["gradient"] == pytest.approx(other["gradient"], rel=1e-3)


def test_an_adapter_trains_alone_and_is_merged_when_loaded(
    config: solopo.Config, tmp_path: Path
) -> None:
    told = replace(config, lora_rank=2, recompute=True, most_steps=2, out=str(tmp_path))
    place = solopo.train(told, lambda line: None)
    assert (place / "adapter_model.safetensors").is_file()
    merged, base = models.load_model(place), models.load_model(Path(config.model))
    assert merged.state_dict().keys() == base.state_dict().keys()
    assert not torch.equal(merged.model.layers[0].mlp.up_proj.weight,
                           base.model.layers[0].mlp.up_proj.weight)  # fmt: skip


def test_the_result_tells_accuracy_and_the_cost_beside_the_predicted(
    config: solopo.Config, tmp_path: Path
) -> None:
    data = Path(config.pairs[0]).parents[1] / "data"
    held = {"held_short": str(data / "held-420.jsonl"), "held_long": str(data / "held-640.jsonl")}
    plain = replace(config, method="long", most_steps=2, out=str(tmp_path / "long"), **held)
    solopo.train(plain, lambda line: None)
    said: list[str] = []
    ours = replace(plain, method="solopo", out=str(tmp_path / "solo"), compare=plain.out)
    solopo.train(ours, said.append)
    told = json.loads((tmp_path / "solo" / "result.json").read_text("utf-8"))
    assert {side: told["after"][side]["rows"] for side in ("short", "long")} == {
        "short": 2,
        "long": 2,
    }
    assert told["before"].keys() == told["after"].keys()
    ratio, cost = told["cost_ratio"], told["cost"]
    rho = cost["short"] / cost["long"]
    assert 0 < rho < 1 and ratio["rho"] == pytest.approx(rho)
    assert ratio["predicted_linear"] == pytest.approx((2 * rho + 1) / 2)
    assert ratio["predicted_quadratic"] == pytest.approx((2 * rho**2 + 1) / 2)
    assert ratio["tokens"] == pytest.approx(ratio["predicted_linear"], rel=0.05)
    assert ratio["time"] > 0 and ratio["peak"] > 0
    assert any(line.startswith("cost over the plain run: rho") for line in said)


def test_the_peak_sees_what_was_in_use_and_is_gone() -> None:
    peak = costs.Peak(CPU)
    peak.reset()
    before = peak.mib()
    size = 128 * costs.MIB
    with mmap.mmap(-1, size) as held:  # never taken from what the process has freed
        held[:: mmap.PAGESIZE] = b"1" * (size // mmap.PAGESIZE)
        during = peak.mib()
    assert during - before > 100
    assert peak.mib() == pytest.approx(during, abs=1)


def test_a_run_without_a_log_has_no_cost(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no log"):
        costs.cost_of(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"algorithm": "ipo"}, {"method": "mid"}, {"held_short": "x"}, {"batch": 0}, {"pairs": ()}],
)
def test_settings_that_cannot_work_are_refused(
    config: solopo.Config, wrong: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError):
        replace(config, **wrong)


def test_pairs_that_are_too_long_are_counted(config: solopo.Config, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(DataError, match="No pair"):
        solopo.Training(replace(config, longest=50, out=str(tmp_path)), said.append)
    assert said == ["0 pairs; 12 longer than 50 left out"]
