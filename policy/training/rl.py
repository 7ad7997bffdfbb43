"""Curriculum-guided phased RL (QwenLong-L1, arXiv 2505.17667, section 3.2): GRPO or DAPO on
prompts of growing length.

One script, top to bottom. Phase k trains the model that phase k - 1 left, only on the prompts of
its band of lengths, and on those that retrospective sampling carries over (`curriculum`). Each
way of carrying over in ``retrospect`` is a run of its own from the second phase on, so that they
can be compared; the first phase is the same for all. ``out/phase-1`` and ``out/phase-2-MODE`` each
have ``model``, ``log.jsonl``, ``tensorboard`` and ``groups.jsonl``, every group that was sampled.

The rewards are the answer's worth (`rollouts`) and DAPO's overlong punishment. GRPO: the mean over
each answer's tokens, one clip on both sides. DAPO: the mean over all tokens, ``clip_high`` above
``clip_low``, dynamic sampling, overlong punishment. Neither has a KL term unless ``beta`` is set.

Prompts of accuracy 0 under dynamic sampling. The paper carries such prompts into the next phase
and drops groups without variance from the loss, and does not say how the two meet. Here: a group
that dynamic sampling leaves out is recorded all the same, so that its prompt can be carried;
carried prompts are sampled afresh, and where all answers are wrong again the group is left out
like any other and its place filled from the whole phase. A carried prompt thus teaches nothing
until one of its answers is right, and costs a group at each try; ``groups/carried`` in the log is
their share of what was learnt from.

A run that was killed goes on from its last checkpoint when started again with the same
configuration, and gives the same losses as one never killed, on one machine.

Against the paper: it trains 14B and 32B models on 32 GPUs, 128 prompts of 8 answers, mini-batches
of 32, inputs to 20K and 60K, learning rate 2e-6, which ``rl.toml`` has where a small machine
allows. The optimizer begins anew with each phase, which the paper does not tell. Simplified:
answers are sampled by transformers, unless ``vllm`` is set; no sequence parallelism, which TRL's
trainer does not have.

    longdoc train policy-rl --config policy/training/rl.toml            # one CPU or GPU
    longdoc train policy-rl --config policy/training/rl.toml --smoke    # a random model, a minute
    accelerate launch --config_file policy/training/fsdp.yaml -m app.cli train policy-rl \\
        --config policy/training/rl.toml                                # several GPUs
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from documents.errors import DataError, SettingsError
from policy.training import checkpoints, curriculum
from policy.training.config import read_config
from policy.training.logs import read_log
from policy.training.models import folder_of, ids_of, load_tokenizer, prompt_text, stamp
from policy.training.rows import Row, read_rows

Say = Callable[[str], None]
BESIDE = {"out", "data", "device", "threads", "checkpoint_steps", "steps", "lengths", "retrospect"}
"""Settings that do not decide a step's result, or that a phase's pool and length stand for."""


@dataclass(frozen=True)
class Config:
    """What ``rl.toml`` says; the file explains each."""

    model: str
    data: tuple[str, ...]
    out: str
    lengths: tuple[int, ...]
    steps: tuple[int, ...]
    algorithm: str = "dapo"
    retrospect: tuple[str, ...] = ("none",)
    retrospect_share: float = 0.25
    retrospect_base: bool = False
    group: int = 8
    prompts: int = 128
    updates: int = 1
    micro_batch: int = 1
    learning_rate: float = 2e-6
    warmup_steps: int = 0
    clip: float = 1.0
    clip_low: float = 0.2
    clip_high: float = 0.28
    beta: float = 0.0
    refills: int = 10
    answer_tokens: int = 10_000
    overlong_buffer: int = 1_000
    temperature: float = 0.7
    top_p: float = 0.95
    most_words: int = 10
    judge_url: str = ""
    judge_model: str = ""
    lora_rank: int = 0
    recompute: bool = False
    bf16: bool = False
    vllm: bool = False
    kl_steps: int = 0
    device: str = ""
    threads: int = 0
    seed: int = 0
    checkpoint_steps: int = 10

    def __post_init__(self) -> None:
        if self.algorithm not in ("grpo", "dapo"):
            raise SettingsError(f"algorithm is {self.algorithm!r}.", "Give grpo or dapo.")
        if not self.lengths or list(self.lengths) != sorted(set(self.lengths)):
            raise SettingsError(
                f"lengths is {list(self.lengths)}.", "Give one a phase, in ascending order."
            )
        if len(self.steps) != len(self.lengths) or min(self.steps) < 1:
            raise SettingsError(f"steps is {list(self.steps)}.", "Give one number a phase.")
        if unknown := set(self.retrospect) - set(curriculum.MODES) or not self.retrospect:
            raise SettingsError(
                f"retrospect has {unknown}.", f"Give some of {', '.join(curriculum.MODES)}."
            )
        if self.group < 2 or min(self.prompts, self.updates, self.micro_batch) < 1:
            raise SettingsError(
                "group is below 2, or prompts, updates or micro_batch below 1.", "Raise it."
            )
        if self.prompts * self.group % (self.micro_batch * self.updates):
            raise SettingsError(
                f"{self.prompts} groups of {self.group} do not divide into {self.updates} updates "
                f"of parts of {self.micro_batch}.",
                "Let updates * micro_batch divide prompts * group.",
            )
        if not 0 <= self.retrospect_share < 1 or self.temperature <= 0:
            raise SettingsError(
                "retrospect_share is not in [0, 1), or temperature not above 0.", "Change it."
            )

    @property
    def dapo(self) -> bool:
        """Whether the three things that DAPO adds to GRPO are on."""
        return self.algorithm == "dapo"


@dataclass(frozen=True)
class Prompts:
    """All prompts: their rows, their texts as the model reads them, and its tokenizer."""

    tokenizer: Any
    rows: Sequence[Row]
    texts: Sequence[str]


@dataclass(frozen=True)
class Phase:
    """A phase to train: from which model, on which prompts, for how many generations."""

    number: int
    folder: Path
    model: Path
    pool: tuple[int, ...]
    carried: frozenset[int]
    steps: int


class Curriculum:
    """A run: the prompts, and its phases one after the other."""

    def __init__(self, config: Config, say: Say) -> None:
        self.config, self.say = config, say
        self.out = Path(config.out)
        self.start = folder_of(config.model)
        tokenizer = load_tokenizer(self.start)
        rows = [row for file in config.data for row in read_rows(Path(file))]
        texts = [prompt_text(tokenizer, row.messages) for row in rows]
        self.prompts = Prompts(tokenizer, rows, texts)
        tokens = [len(ids_of(tokenizer, text)) for text in texts]
        self.bands = curriculum.bands(tokens, config.lengths)
        for number, (band, longest) in enumerate(zip(self.bands, config.lengths, strict=True), 1):
            say(f"phase {number}: {len(band)} prompts of up to {longest} tokens")
            if not band:
                raise DataError(
                    f"No prompt for phase {number}, which ends at {longest} tokens.",
                    "Make prompts of that length with policy-data, or change `lengths`.",
                )

    def run(self) -> list[Path]:
        """All phases that are left; returns the folders of the last phase's models."""
        first = self._phase(1, self.out / "phase-1", self.start, ())
        ends = [self._train(first)]
        if len(self.config.lengths) == 1:
            return ends
        ends = []
        for mode in self.config.retrospect:
            model, done = first.folder / "model", [first.folder]
            for number in range(2, len(self.config.lengths) + 1):
                chosen = self._carried(number, mode, done)
                folder = self.out / f"phase-{number}-{mode}"
                model = self._train(self._phase(number, folder, model, chosen))
                done.append(folder)
            ends.append(model)
        return ends

    def _phase(self, number: int, folder: Path, model: Path, chosen: Sequence[int]) -> Phase:
        pool = (*self.bands[number - 1], *chosen)
        steps = self.config.steps[number - 1]
        return Phase(number, folder, model, pool, frozenset(chosen), steps)

    def _carried(self, number: int, mode: str, done: Sequence[Path]) -> list[int]:
        """What earlier phases leave to this one: at most ``retrospect_share`` of its prompts."""
        share, own = self.config.retrospect_share, len(self.bands[number - 1])
        most = int(own * share / (1 - share))
        records = [record for folder in done for record in read_log(folder / "groups.jsonl")]
        groups = curriculum.seen(records, self.prompts.rows)
        if self.config.retrospect_base:
            earlier = [place for band in self.bands[: number - 1] for place in band]
            groups = curriculum.estimated(self.prompts.rows, earlier)
        chosen = curriculum.carried(groups, mode, most, f"{self.config.seed} {number}")
        self.say(f"phase {number}, {mode}: {len(chosen)} of {len(groups)} prompts carried over")
        return chosen

    def _train(self, phase: Phase) -> Path:
        from policy.training.rl_phase import train_phase

        place = phase.folder / "model"
        self._claim(phase)
        if place.is_dir():
            self.say(f"{phase.folder}: trained already")
            return place
        return train_phase(self.config, phase, self.prompts, self.say)

    def _claim(self, phase: Phase) -> None:
        """Refuse a folder that holds a phase of another configuration, of other data, or that
        started from another model."""
        told = {k: v for k, v in asdict(self.config).items() if k not in BESIDE}
        texts, rows = self.prompts.texts, self.prompts.rows
        asked = [(place, texts[place], rows[place].golds) for place in phase.pool]
        name = checkpoints.fingerprint([told, phase.steps, stamp(phase.model)], asked)
        path = phase.folder / "run.json"
        if path.exists() and json.loads(path.read_text("utf-8"))["run"] != name:
            raise SettingsError(
                f"{phase.folder} is of another configuration, another model or other data.",
                "Give another `out`, or remove that folder.",
            )
        phase.folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"run": name}), "utf-8")


def train(config: Config, say: Say) -> list[Path]:
    """The run, from where it stopped; returns the last models' folders."""
    return Curriculum(config, say).run()


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-rl`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        config = on_made_up(config, Path(tempfile.mkdtemp(prefix="longdoc-smoke-")), say)
    train(config, say)
    return Path(config.out)


def on_made_up(config: Config, folder: Path, say: Say) -> Config:
    """The configuration on a random model and made-up data of its lengths, all in ``folder``."""
    from policy.training import prepare
    from policy.training.tiny import made_corpus, tiny_model

    made = prepare.Config(
        data=str(made_corpus(folder / "corpus")),
        out=str(folder / "data"),
        model=str(tiny_model(folder / "model")),
        lengths=config.lengths,
        sources={"made": 12},
        held=4,
    )
    data = prepare.prepare(made, say)
    files = tuple(str(data / f"train-{length}.jsonl") for length in config.lengths)
    return replace(config, model=made.model, data=files, out=str(folder / "rl"))
