"""What a training run would need, before any GPU is rented: ``longdoc train policy-dryrun``.

The model is built on PyTorch's meta device, where tensors have shapes and no memory, and one
micro-batch goes through it and the stage's own loss. What autograd would keep for the backward pass
is counted as it is kept, with and without recomputing. Memory per GPU is told by part: weights,
gradients, optimizer, the weights that sharding gathers for a moment, activations, logits and loss,
and for RL the rollout engine's weights and its KV cache. A configuration that does not fit is
refused with the part that is too large and the first remedy that would make it fit.

Assumed, as the paper's runs have it (arXiv 2505.17667, section 3.2: 32 A100-80G; the released
script: ZeRO-3-like sharding, Ulysses sequence parallelism 8, rollouts with tensor parallelism 4
and half of the GPU): weights, gradients and optimizer are sharded over all GPUs; compute in
bfloat16 on a float32 master copy with AdamW's two moments; attention keeps its inputs, its output
and one number a row, as FlashAttention does (``attention = "eager"``: the whole matrix). Sequence
parallelism divides activations; layers' weights are gathered two at a time. Not counted:
fragmentation, NCCL's buffers and the CUDA context, for which ``reserve`` keeps a share of the GPU.
longdoc's own stages run on one device; these are figures for the same losses under FSDP or ZeRO-3.

    longdoc train policy-dryrun --config policy/training/dryrun.toml
    longdoc train policy-dryrun --config policy/training/dryrun.toml --smoke
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

from documents.errors import SettingsError
from policy.training import losses
from policy.training.config import read_config
from policy.training.shapes import build, largest_unit, layers_of, read, sizes_of

Say = Callable[[str], None]
GIB = 2**30
STAGES = ("sft", "rl", "solopo", "long")
"""``long``: plain preference optimisation on long prompts."""


@dataclass(frozen=True)
class Run:
    """One configuration: a ``[[runs]]`` table of ``dryrun.toml``. Bytes are per number."""

    name: str
    shape: str
    stage: str
    input_tokens: int
    output_tokens: int
    gpus: int
    gpu_gib: float
    short_tokens: int = 0
    micro_batch: int = 1
    recompute: bool = True
    sequence_parallel: int = 1
    lora_rank: int = 0
    attention: str = "flash"
    offload_optimizer: bool = False
    rollouts: int = 8
    tensor_parallel: int = 4
    reserve: float = 0.08

    def __post_init__(self) -> None:
        if self.stage not in STAGES or self.attention not in {"flash", "eager"}:
            raise SettingsError(
                f"{self.name}: stage is {self.stage!r}, attention {self.attention!r}.",
                f"Give a stage of {', '.join(STAGES)}, and flash or eager.",
            )
        for name in ("input_tokens", "output_tokens", "gpus", "micro_batch", "sequence_parallel"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{self.name}: {name} is {getattr(self, name)}.", "Give 1 up.")
        if self.gpus % self.sequence_parallel or self.gpus % self.tensor_parallel:
            raise SettingsError(
                f"{self.name}: {self.gpus} GPUs are no multiple of sequence_parallel "
                f"{self.sequence_parallel} and tensor_parallel {self.tensor_parallel}.",
                "Change one of them.",
            )


@dataclass(frozen=True)
class Config:
    """What ``dryrun.toml`` says."""

    runs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes a GPU, by part; ``rollout`` and ``cache`` are held while others are not (the engine
    sleeps during the update), so that the peak is the larger of two sums."""

    weights: float
    gradients: float
    optimizer: float
    gathered: float
    activations: float
    logits: float
    rollout: float = 0.0
    cache: float = 0.0

    @property
    def update(self) -> float:
        """While the weights are trained."""
        return (
            self.weights + self.gradients + self.optimizer + self.gathered + self.activations
            + self.logits
        )  # fmt: skip

    @property
    def sampling(self) -> float:
        """While answers are sampled: the trainer's shards stay, its activations do not."""
        return self.weights + self.optimizer + self.rollout + self.cache if self.rollout else 0.0

    @property
    def peak(self) -> float:
        return max(self.update, self.sampling)


def measure(run: Run) -> Memory:
    """The memory of one GPU. The layers are alike: one and two are measured, the rest follow."""
    one, two = (astuple(measured(run, layers)) for layers in (1, 2))
    more = sizes_of(run.shape).layers - 1
    return Memory(*(a + more * (b - a) for a, b in zip(one, two, strict=True)))


def measured(run: Run, layers: int) -> Memory:
    """The memory of one GPU for a model with so many layers, but the cache of all of them."""
    model = build(run.shape, run.lora_rank, run.recompute, run.attention, layers)
    every = sum(p.numel() for p in model.parameters())
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = every - learnt
    activations, logits = _kept(model, run)
    rollout = cache = 0.0
    if run.stage == "rl":
        rollout = 2 * every / run.tensor_parallel
        sizes = sizes_of(run.shape)
        length = run.input_tokens + run.output_tokens
        cache = run.rollouts * length * sizes.cache_bytes / run.tensor_parallel
    return Memory(
        weights=(4 * learnt + 2 * frozen) / run.gpus,
        gradients=4 * learnt / run.gpus,
        optimizer=0.0 if run.offload_optimizer else 8 * learnt / run.gpus,
        gathered=2 * 2 * largest_unit(model) if run.gpus > 1 else 2 * largest_unit(model),
        activations=activations / run.sequence_parallel,
        logits=logits / run.sequence_parallel,
        rollout=rollout,
        cache=cache,
    )


def _kept(model: Any, run: Run) -> tuple[float, float]:
    """Bytes that autograd keeps of one micro-batch, in the model and after it; and what one layer
    needs on top while it is computed again."""
    body = Kept()
    long = run.input_tokens + run.output_tokens
    short = (run.short_tokens or run.input_tokens) + run.output_tokens
    rows = {
        "sft": [(1, long)],
        "rl": [(1, long)],
        "long": [(2, long)],
        "solopo": [(2, short), (1, long)],
    }[run.stage]
    after = Kept()
    found: list[Tensor] = []
    if run.recompute:  # a layer's input is kept, and nothing else of it
        for layer in layers_of(model):
            layer.register_forward_pre_hook(lambda _, told: body.count(told[0]))
    for count, length in rows:
        count *= run.micro_batch  # noqa: PLW2901 - rows of one forward pass
        with body:
            hidden = read(model, count, length)
        with after:
            kept = hidden[:, -run.output_tokens - 1 :]
            logits = model.get_output_embeddings()(kept)
            ids = torch.zeros(logits.shape[:2], dtype=torch.long, device="meta")
            found.append(losses.token_logps(logits, ids))
            after.count(logits)
            after.count(logits.float())  # in `token_logps`, for a moment
    with after:
        _loss(run, found)
    largest = max(_one_layer(run, *shape) for shape in rows) if run.recompute else 0.0
    peak = body.total + largest
    return peak, after.total


def _loss(run: Run, found: list[Tensor]) -> Tensor:
    """The stage's own loss of the answers' log-probabilities."""
    first = found[0]
    mask = torch.ones_like(first)
    if run.stage == "sft":
        return losses.nll(first, mask)
    if run.stage == "rl":
        advantages = torch.ones(first.shape[0], device="meta")
        return losses.clipped(first, first.detach(), advantages, mask, tokens=float(first.numel()))
    told = losses.Preference("orpo", 0.1, weight=0.1)
    chosen, rejected = told.reward(first, mask).chunk(2)
    half = first.shape[0] // 2
    loss = told.loss(chosen, rejected, first[:half], mask[:half])
    if run.stage == "long":
        return loss
    return losses.solopo(loss, (chosen, told.reward(found[1], torch.ones_like(found[1]))), 1.0)


def _one_layer(run: Run, count: int, tokens: int) -> float:
    """What one layer keeps while it is computed again for its backward pass."""
    single = build(run.shape, run.lora_rank, False, run.attention, 1)
    kept = Kept()
    with kept:
        read(single, count * run.micro_batch, tokens)
    return kept.total


class Kept:
    """Counts the tensors that autograd keeps while the block runs, each storage once, parameters
    not: they are counted as weights."""

    def __init__(self) -> None:
        self.total = 0.0
        self._seen: dict[int, Tensor] = {}
        self._hooks: Any = None

    def note(self, tensor: Tensor) -> Tensor:
        """Count a tensor and give it back, as a hook must."""
        self.count(tensor)
        return tensor

    def count(self, tensor: Tensor) -> None:
        """Count a tensor, if its memory has not been counted."""
        base = tensor if tensor._base is None else tensor._base
        if not isinstance(base, torch.nn.Parameter) and not (base.is_leaf and base.requires_grad):
            storage = base.untyped_storage()
            key = storage._cdata
            if key not in self._seen:
                self._seen[key] = base  # held, so that the number is not used again
                self.total += storage.nbytes()

    def __enter__(self) -> Kept:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self.note, lambda tensor: tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *told: object) -> None:
        self._hooks.__exit__(*told)


# telling


PARTS = tuple(f.name for f in fields(Memory))


def refused(run: Run, memory: Memory) -> str | None:
    """Why it does not fit and what would help; None where it fits."""
    room = run.gpu_gib * GIB * (1 - run.reserve)
    if memory.peak <= room:
        return None
    when = "the update" if memory.update >= memory.sampling else "sampling"
    names = PARTS[:6] if when == "the update" else ("weights", "optimizer", "rollout", "cache")
    worst = max(names, key=lambda name: float(getattr(memory, name)))
    told = (
        f"{run.name} needs {memory.peak / GIB:.1f} GiB a GPU in {when}, {room / GIB:.1f} are to be "
        f"had; the largest part is {worst} with {getattr(memory, worst) / GIB:.1f} GiB."
    )
    for change in _remedies(run, when == "sampling"):
        if measure(replace(run, **change)).peak <= room:
            for name in list(change):  # of several changes, only those that are needed
                rest = {k: v for k, v in change.items() if k != name}
                if rest and measure(replace(run, **rest)).peak <= room:
                    change = rest  # noqa: PLW2901 - the change, made smaller
            said = ", ".join(f"{name} = {str(value).lower()}" for name, value in change.items())
            return f"{told} It would fit with {said}."
    return f"{told} Nothing tried here makes it fit: use larger GPUs or shorter inputs."


def _remedies(run: Run, sampling: bool) -> Iterator[dict[str, Any]]:
    """Changes to try, the cheapest first, then added up."""
    steps: list[dict[str, Any]] = []
    if run.attention == "eager":
        steps.append({"attention": "flash"})
    if not run.recompute:
        steps.append({"recompute": True})
    if sampling and run.rollouts > 1:
        steps.append({"rollouts": max(1, run.rollouts // 8)})
    steps += [
        {"sequence_parallel": n}
        for n in (2, 4, 8)
        if n > run.sequence_parallel and run.gpus % n == 0
    ]
    if not run.offload_optimizer:
        steps.append({"offload_optimizer": True})
    if not run.lora_rank:
        steps.append({"lora_rank": 16})
    steps += [{"gpus": run.gpus * n} for n in (2, 4, 8)]
    yield from steps
    sum_of: dict[str, Any] = {}
    for step in steps:
        sum_of = sum_of | step
        yield sum_of


def table(run: Run, memory: Memory) -> str:
    """One line by part, in GiB."""
    parts = "  ".join(f"{name} {getattr(memory, name) / GIB:.1f}" for name in PARTS)
    return f"{run.name}: {memory.peak / GIB:.1f} GiB of {run.gpu_gib:g} a GPU  ({parts})"


def runs_of(config: Config) -> list[Run]:
    """The tables of the file, checked."""
    known = get_type_hints(Run)
    made = []
    for told in config.runs:
        if not isinstance(told, Mapping) or (unknown := sorted(set(told) - set(known))):
            raise SettingsError(
                f"A run sets {', '.join(unknown) if isinstance(told, Mapping) else told!r}.",
                f"A run knows {', '.join(known)}.",
            )
        try:
            made.append(Run(**told))
        except TypeError as error:
            raise SettingsError(f"A run is wrong: {error}.", "Add or correct it.") from error
    return made


def check(runs: list[Run], say: Say) -> list[str]:
    """Tell each; returns the reasons of those that are refused."""
    found = []
    for run in runs:
        memory = measure(run)
        say(table(run, memory))
        if why := refused(run, memory):
            say(f"refused: {why}")
            found.append(why)
    return found


def run(path: Path, smoke: bool, say: Say) -> str:
    """The stage as ``longdoc train policy-dryrun`` runs it."""
    config = read_config(Config, path, smoke)
    runs = runs_of(config)
    if why := check(runs, say):
        raise SettingsError(f"{len(why)} of {len(runs)} runs do not fit. {why[0]}", "Change them.")
    return f"{len(runs)} runs fit"
