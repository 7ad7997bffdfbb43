"""Phased RL: TRL's own step, dynamic sampling, what is carried over, and a killed run goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from trl import GRPOTrainer

from documents.errors import DataError, SettingsError
from policy.training import losses, models, rl, rl_phase
from policy.training.grpo import PolicyTrainer, Records, Round, joined
from policy.training.logs import read_log
from policy.training.rollouts import Rewards

SHIPPED = Path(rl.__file__).with_name("rl.toml")
KILLED_AT = {"step": 3, "saving": 4}
"""Steps of the second phase that its log has when the child is killed."""

CHILD = """
import json, os, signal, sys
from policy.training import grpo, rl, rollouts
sys.path.insert(0, sys.argv[2])
import test_training_rl as here

rollouts.Rewards.worth = here.evenness

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def run(moment, values):
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    generate, save = grpo.PolicyTrainer._round, grpo.PolicyTrainer._save_optimizer_and_scheduler
    def late(self, inputs):
        if moment == "step" and "phase-2" in self.args.output_dir and self.state.global_step == 3:
            kill()
        return generate(self, inputs)
    def torn(self, folder):
        if moment == "saving" and "phase-2" in folder and self.state.global_step == 4:
            kill()
        return save(self, folder)
    grpo.PolicyTrainer._round = late
    grpo.PolicyTrainer._save_optimizer_and_scheduler = torn
    rl.train(rl.Config(**values), lambda line: None)

for moment, values in json.loads(sys.argv[1]).items():
    pid = os.fork()  # the libraries are loaded once
    if pid == 0:
        run(moment, values)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def evenness(self: Any, completion_ids: Any, row: Any, **_: Any) -> list[float]:
    """A reward that a random model earns: 1 where most tokens are even. Every fourth prompt's
    answers are all wrong."""
    even = [sum(token % 2 == 0 for token in ids) * 2 > len(ids) for ids in completion_ids]
    return [float(right and place % 4 > 0) for right, place in zip(even, row, strict=True)]


@pytest.fixture(autouse=True)
def reward(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "rewards" not in request.keywords:
        monkeypatch.setattr(Rewards, "worth", evenness)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> rl.Config:
    """The committed configuration's smoke values, on made-up data."""
    made = rl.read_config(rl.Config, SHIPPED, smoke=True)
    made = rl.on_made_up(made, tmp_path_factory.mktemp("rl"), lambda line: None)
    return replace(
        made, threads=1, group=4, micro_batch=4, answer_tokens=7, learning_rate=1e-2, refills=2
    )


def curve(folder: Path) -> list[dict[str, float]]:
    return [
        {k: v for k, v in row.items() if k != "seconds"} for row in read_log(folder / "log.jsonl")
    ]


def phase_of(run: rl.Curriculum, folder: Path, steps: int = 1) -> rl.Phase:
    return rl.Phase(1, folder, run.start, tuple(run.bands[0]), frozenset(), steps)


def made_trainer(config: rl.Config, folder: Path, **sampling: Any) -> PolicyTrainer:
    run = rl.Curriculum(config, lambda line: None)
    phase = phase_of(run, folder)
    trainer = rl_phase.made_trainer(
        config, phase, run.prompts, records=None, log=None, say=lambda line: None
    )
    trainer.sampling = replace(trainer.sampling, **sampling)
    return trainer


# one step


@pytest.mark.parametrize("algorithm", ["grpo", "dapo"])
def test_a_step_is_trls_own(config: rl.Config, tmp_path: Path, algorithm: str) -> None:
    """The same prompts, seeds and rewards in TRL's trainer give the same weights."""
    config = replace(config, algorithm=algorithm, out=str(tmp_path), refills=0)
    ours = made_trainer(config, tmp_path / "ours")
    ours.train()
    run = rl.Curriculum(config, lambda line: None)
    settings = rl_phase.arguments(config, phase_of(run, tmp_path / "theirs"))
    rewards = Rewards(run.prompts.rows, run.prompts.tokenizer, 10, 7, config.overlong_buffer)

    class Seeded(GRPOTrainer):  # type: ignore[misc]
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            from accelerate.utils import set_seed

            set_seed(ours.sampling.seed * 1_000_003 + 1_009)
            return super()._generate_and_score_completions(inputs)

    theirs = Seeded(
        model=models.load_model(run.start),
        reward_funcs=rewards.functions()[: 2 if algorithm == "dapo" else 1],
        args=settings,
        train_dataset=ours.train_dataset,
        processing_class=run.prompts.tokenizer,
    )
    theirs.train()
    before = models.load_model(run.start).state_dict()
    after = theirs.model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    for name, weight in ours.model.state_dict().items():
        assert torch.equal(weight, after[name]), name


def scored(config: rl.Config, folder: Path, rewards: list[list[Any]]) -> tuple[Any, list[Any]]:
    """A trainer's batch where the groups get these rewards one after the other, and its records."""
    told = iter(rewards)

    def worth(self: Any, completion_ids: Any, row: Any, **_: Any) -> list[Any]:
        return [value for _ in range(len(row) // config.group) for value in next(told)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rewards, "worth", worth)
        trainer = made_trainer(config, folder)
        records: list[Any] = []
        folder.mkdir(exist_ok=True)
        trainer.records = Records(folder / "groups.jsonl")
        trainer.model.train()
        inputs = [trainer.train_dataset[i // config.group] for i in range(2 * config.group)]
        batch = trainer._generate_and_score_completions(inputs)
        trainer.records.close()
    records = read_log(folder / "groups.jsonl")
    assert next(told, None) is None
    return (trainer, batch), records


FLAT, RIGHT, MIXED, OTHER = [0.0] * 4, [1.0] * 4, [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]


def test_groups_without_variance_are_filled_from_others(config: rl.Config, tmp_path: Path) -> None:
    quiet = replace(config, overlong_buffer=0)
    (trainer, batch), records = scored(quiet, tmp_path, [FLAT, MIXED, RIGHT, OTHER])
    # One place is lacking: the second round samples one group, the third another.
    assert [(r["round"], r["kept"]) for r in records] == [
        (0, False),
        (0, True),
        (1, False),
        (2, True),
    ]
    assert len({r["row"] for r in records}) == 4
    expected = losses.group_advantages(torch.tensor([*MIXED, *OTHER]), 4)
    torch.testing.assert_close(batch["advantages"], expected)
    assert batch["num_items_in_batch"] == batch["completion_mask"].sum()
    metrics = trainer._metrics["train"]
    assert metrics["groups/zero_variance"] == [0.5] and metrics["groups/sampled"] == [4.0]
    assert metrics["reward"] == [pytest.approx(1 / 8)]  # of the first round alone


def test_a_place_that_nothing_fills_is_not_in_the_loss(config: rl.Config, tmp_path: Path) -> None:
    quiet = replace(config, overlong_buffer=0)
    (_, batch), records = scored(quiet, tmp_path, [MIXED, FLAT, FLAT, RIGHT])
    assert [r["kept"] for r in records] == [True, False, False, False]
    assert batch["completion_mask"][:4].any(1).all() and not batch["completion_mask"][4:].any()
    assert not batch["advantages"][4:].any()
    assert batch["num_items_in_batch"] == batch["completion_mask"][:4].sum()


def test_overlong_punishment_gives_no_variance(config: rl.Config, tmp_path: Path) -> None:
    """Whether a group has variance is told by the answers' worth, as in L1's script."""
    loud = replace(config, overlong_buffer=4, refills=1)
    _, records = scored(loud, tmp_path, [FLAT, MIXED, RIGHT])
    assert [r["kept"] for r in records] == [False, True, False]


def test_an_answer_that_was_not_scored_has_no_part_in_the_variance() -> None:
    rewards = torch.tensor([[1.0, float("nan")], [float("nan")] * 2, [0.0, 1.0]])
    assert Round({}, [0, 1, 2], rewards).varied == [False, False, True]


def test_an_answer_that_was_not_scored_has_no_reward_beside_its_punishment(
    config: rl.Config, tmp_path: Path
) -> None:
    loud = replace(config, overlong_buffer=4, refills=1)
    (_, batch), _ = scored(loud, tmp_path, [[1.0, 1.0, 1.0, None], [1.0, 0.0, None, None], MIXED])
    told = batch["advantages"].view(2, 4)
    assert not told[0, 2:].any() and told[0, :2].all()
    assert told[0].sum().item() == pytest.approx(0, abs=1e-6)


def test_a_step_without_any_variance_leaves_the_weights(config: rl.Config, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rewards, "worth", lambda self, row, **_: [0.0] * len(row))
        trainer = made_trainer(replace(config, refills=1), tmp_path)
        trainer.train()
    before = models.load_model(Path(config.model)).state_dict()
    assert all(torch.equal(before[n], w) for n, w in trainer.model.state_dict().items())


def test_parts_without_a_token_are_not_in_the_entropy(config: rl.Config, tmp_path: Path) -> None:
    quiet = replace(config, overlong_buffer=0)
    (trainer, batch), _ = scored(quiet, tmp_path, [MIXED, FLAT, FLAT, RIGHT])
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation
    full, empty = (
        {name: value[at] if value.ndim else value for name, value in batch.items()}
        for at in (slice(0, 4), slice(4, 8))
    )
    for part in (full, empty):
        trainer._compute_loss(trainer.model, part)
    assert len(trainer._metrics["train"]["entropy"]) == 1
    assert trainer._metrics["train"]["entropy"][0] > 0
    assert trainer._metrics["train"]["clip_ratio/high_mean"] == [0.0]


def test_the_loss_of_a_filled_batch_is_the_clipped_one(config: rl.Config, tmp_path: Path) -> None:
    """Groups of several rounds are padded differently; the loss is as if each stood alone."""
    quiet = replace(config, overlong_buffer=0)
    (trainer, batch), _ = scored(quiet, tmp_path, [FLAT, MIXED, OTHER])
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation
    theirs = trainer._compute_loss(trainer.model, batch)
    logps = []
    for i in range(8):
        prompt = batch["prompt_ids"][i][batch["prompt_mask"][i].bool()]
        answer = batch["completion_ids"][i][batch["completion_mask"][i].bool()]
        ids = torch.cat([prompt, answer])[None]
        logits = trainer.model(input_ids=ids).logits / trainer.temperature
        logps.append(losses.token_logps(logits, ids)[0, -len(answer) :])
    flat = torch.cat(logps)[None]
    spread = torch.cat(
        [
            advantage.expand(len(one))
            for advantage, one in zip(batch["advantages"], logps, strict=True)
        ]
    )
    ours = -(torch.exp(flat - flat.detach()) * spread).sum() / flat.numel()
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


def test_joined_pads_prompts_on_the_left_and_answers_on_the_right() -> None:
    def made(prompt: int, answer: int, start: int) -> dict[str, Tensor]:
        return {
            "prompt_ids": torch.full((2, prompt), start),
            "prompt_mask": torch.ones(2, prompt, dtype=torch.long),
            "completion_ids": torch.full((2, answer), start + 1),
            "completion_mask": torch.ones(2, answer, dtype=torch.long),
            "advantages": torch.tensor([1.0, -1.0]),
            "num_items_in_batch": torch.tensor(9),
        }

    parts = [(made(2, 3, 10), slice(0, 2), True), (made(4, 1, 20), slice(1, 2), False)]
    batch = joined(parts, pad=7)
    assert batch["prompt_ids"].tolist() == [[7, 7, 10, 10], [7, 7, 10, 10], [20] * 4]
    assert batch["prompt_mask"].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1] * 4]
    assert batch["completion_ids"].tolist() == [[11] * 3, [11] * 3, [21, 7, 7]]
    assert batch["completion_mask"].tolist() == [[1] * 3, [1] * 3, [0] * 3]
    assert batch["advantages"].tolist() == [1.0, -1.0, 0.0]
    assert "num_items_in_batch" not in batch


# runs


@pytest.fixture(scope="module")
def long_run(config: rl.Config) -> rl.Config:
    return replace(config, steps=(2, 5), checkpoint_steps=2, retrospect=("zero",), kl_steps=1)


@pytest.fixture(scope="module")
def unbroken(long_run: rl.Config) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rewards, "worth", evenness)
        (model,) = rl.train(long_run, lambda line: None)
    return model.parent


def test_phases_train_on_their_band_and_on_what_is_carried(
    long_run: rl.Config, unbroken: Path
) -> None:
    run = rl.Curriculum(long_run, lambda line: None)
    first = read_log(unbroken.parent / "phase-1" / "groups.jsonl")
    second = read_log(unbroken / "groups.jsonl")
    assert {record["row"] for record in first} <= set(run.bands[0])
    allowed = {r["row"] for r in first if not any(r["rewards"])}  # type: ignore[arg-type]
    assert allowed  # dynamic sampling left them out of the loss, and they were recorded
    over = [record for record in second if record["row"] not in run.bands[1]]
    assert over and {record["row"] for record in over} <= allowed
    assert len({record["row"] for record in over}) <= len(run.bands[1]) / 3
    for record in over:  # wrong again, a carried prompt is left out like any other
        assert record["kept"] == (len(set(record["rewards"])) > 1)  # type: ignore[arg-type]


def test_the_log_has_what_is_asked_of_it(unbroken: Path) -> None:
    entries = curve(unbroken)
    assert [entry["step"] for entry in entries] == [1, 2, 3, 4, 5]
    for name in ("loss", "gradient", "entropy", "kl", "reward", "tokens/mean"):
        assert all(name in entry for entry in entries), name
    assert all(0 <= entry["groups/zero_variance"] <= 1 for entry in entries)
    assert entries[0]["kl"] == pytest.approx(0, abs=1e-6)  # the policy is the reference yet
    assert entries[-1]["kl"] > 1e-6
    assert list((unbroken / "tensorboard").glob("events*"))
    assert not list(unbroken.glob("checkpoint-*"))


def test_a_finished_run_does_nothing_more(long_run: rl.Config, unbroken: Path) -> None:
    told: list[str] = []
    rl.train(long_run, told.append)
    assert sum("trained already" in line for line in told) == 2


def test_another_configuration_does_not_go_on(long_run: rl.Config, unbroken: Path) -> None:
    with pytest.raises(SettingsError, match="another configuration"):
        rl.train(replace(long_run, learning_rate=1e-4), lambda line: None)


def test_a_phase_does_not_outlive_the_model_it_trained(
    long_run: rl.Config, unbroken: Path, tmp_path: Path
) -> None:
    shutil.copytree(unbroken, tmp_path / unbroken.name)  # the first phase's folder was removed
    other = replace(long_run, steps=(1, 5), retrospect=("zero",), out=str(tmp_path))
    with pytest.raises(SettingsError, match="another configuration"):
        rl.train(other, lambda line: None)


@pytest.fixture(scope="module")
def killed(
    long_run: rl.Config, unbroken: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, rl.Config]:
    """Two runs that ended by SIGKILL in the second phase: while sampling, and half through a
    checkpoint."""
    folder = tmp_path_factory.mktemp("killed")
    runs = {moment: replace(long_run, out=str(folder / moment)) for moment in KILLED_AT}
    for broken in runs.values():  # the first phase is done
        shutil.copytree(unbroken.parent / "phase-1", Path(broken.out) / "phase-1")
    told = json.dumps({moment: asdict(broken) for moment, broken in runs.items()})
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, told, here], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["-9", "-9"], done.stderr
    return runs


@pytest.mark.parametrize("moment", list(KILLED_AT))
def test_killed_in_mid_phase_and_resumed_equals_unbroken(
    unbroken: Path, killed: dict[str, rl.Config], moment: str
) -> None:
    folder = Path(killed[moment].out) / unbroken.name
    assert len(curve(folder)) == KILLED_AT[moment] and not (folder / "model").exists()
    told: list[str] = []
    rl.train(killed[moment], told.append)
    assert any("going on after step 2" in line for line in told)
    assert curve(folder) == curve(unbroken)
    assert read_log(folder / "groups.jsonl") == read_log(unbroken / "groups.jsonl")
    one, other = (models.load_model(p / "model").state_dict() for p in (folder, unbroken))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_adapter_is_trained_alone_through_both_phases(config: rl.Config, tmp_path: Path) -> None:
    small = replace(
        config, lora_rank=2, steps=(1, 1), kl_steps=1, retrospect=("importance",), out=str(tmp_path)
    )
    (model,) = rl.train(small, lambda line: None)
    assert (model / "adapter_model.safetensors").is_file()
    assert not (model / "model.safetensors").exists()
    assert curve(model.parent)[0]["kl"] > 0  # from the model without the adapter


def test_several_updates_a_generation_are_clipped_ones(config: rl.Config, tmp_path: Path) -> None:
    twice = replace(config, updates=2, steps=(1, 1), out=str(tmp_path), lengths=config.lengths)
    run = rl.Curriculum(twice, lambda line: None)
    rl_phase.train_phase(twice, phase_of(run, tmp_path), run.prompts, lambda line: None)
    entries = curve(tmp_path)
    assert [entry["step"] for entry in entries] == [1, 2]
    assert len(read_log(tmp_path / "groups.jsonl")) and "groups/sampled" not in entries[1]


# configurations


@pytest.mark.parametrize(
    "values",
    [
        {"algorithm": "ppo"},
        {"lengths": (900, 420)},
        {"steps": (1,)},
        {"retrospect": ("some",)},
        {"retrospect": ()},
        {"group": 1},
        {"micro_batch": 3},
        {"retrospect_share": 1.0},
        {"temperature": 0.0},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(config: rl.Config, values: Any) -> None:
    with pytest.raises(SettingsError):
        replace(config, **values)


def test_a_phase_without_prompts_is_refused(config: rl.Config, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No prompt for phase 2"):
        rl.Curriculum(replace(config, data=config.data[:1]), lambda line: None)


def test_a_reference_that_trl_cannot_read_is_refused(config: rl.Config, tmp_path: Path) -> None:
    (tmp_path / models.GGUF).touch()
    phase = rl.Phase(1, tmp_path, tmp_path, (), frozenset(), 1)
    with pytest.raises(SettingsError, match="GGUF"):
        rl_phase._models(replace(config, beta=0.1), phase)


def test_the_committed_configuration_is_whole() -> None:
    made = rl.read_config(rl.Config, SHIPPED)
    assert made.dapo and made.retrospect == ("none", "zero")


def test_a_checkpoint_that_a_kill_cut_short_does_not_count(tmp_path: Path) -> None:
    for name, text in (("2", '{"global_step": 2}'), ("10", '{"global_step": 10}'), ("12", '{"glo')):
        (tmp_path / f"checkpoint-{name}").mkdir()
        (tmp_path / f"checkpoint-{name}" / "trainer_state.json").write_text(text, "utf-8")
    assert rl_phase.last_checkpoint(tmp_path) == (tmp_path / "checkpoint-10", 10)
    assert not (tmp_path / "checkpoint-12").exists()
    assert rl_phase.last_checkpoint(tmp_path / "none") == (None, 0)
