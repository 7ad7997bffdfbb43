"""``longdoc train``: the stages of training that exist, and running one."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from app.terminal import write
from documents.errors import SettingsError

STAGES = {
    "critic-synthesis": (
        "a model writes questions for the critic's training",
        "app.synthesis",
        "compressor/training/synthesis.toml",
    ),
    "critic": (
        "the small critic learns to tell evidence",
        "compressor.training.train",
        "compressor/training/critic.toml",
    ),
    "critic-cprs": (
        "a critic of the published architecture learns the same",
        "compressor.training.cprs",
        "compressor/training/cprs.toml",
    ),
    "critic-fusion": (
        "how sentence embeddings are weighed in with it",
        "compressor.training.fusion",
        "compressor/training/fusion.toml",
    ),
    "policy-data": (
        "prompts of chosen lengths, short and long twins, split by document",
        "policy.training.prepare",
        "policy/training/data.toml",
    ),
    "policy-sft": (
        "warm-up: the model imitates traces",
        "policy.training.sft",
        "policy/training/sft.toml",
    ),
    "policy-rl": (
        "GRPO or DAPO in phases of growing length, with retrospective sampling",
        "policy.training.rl",
        "policy/training/rl.toml",
    ),
    "policy-eval": (
        "answers of each stage's model to held-back prompts, scored, with intervals",
        "policy.training.evaluate",
        "policy/training/eval.toml",
    ),
    "policy-pairs": (
        "preference pairs by sampling on short prompts",
        "policy.training.pairs",
        "policy/training/pairs.toml",
    ),
    "policy-solopo": (
        "SoLoPO or plain DPO, SimPO, ORPO on the pairs",
        "policy.training.solopo",
        "policy/training/solopo.toml",
    ),
    "policy-export": (
        "a trained model as GGUF, adapter or whole, with its card",
        "policy.training.export",
        "policy/training/export.toml",
    ),
    "policy-dryrun": (
        "memory a GPU of real configurations, on the meta device",
        "policy.training.dryrun",
        "policy/training/dryrun.toml",
    ),
}
"""In the order they are run: what a stage does, the module with its ``run``, its committed file."""


def listed() -> None:
    """One line a stage, in the order they are run."""
    for name, (about, _, config) in STAGES.items():
        write(f"{name:<16} {about}: longdoc train {name} --config {config}")


def run(stage: str, config: Path | None, smoke: bool) -> None:
    """Run one stage; what it wrote goes to stdout, how it goes to stderr."""
    if stage not in STAGES:
        raise SettingsError(f"There is no stage {stage}.", f"Stages: {', '.join(STAGES)}.")
    if config is None:
        raise SettingsError(f"{stage} needs a configuration.", "Give one with --config FILE.")
    done = import_module(STAGES[stage][1]).run(config, smoke, _say)
    write(str(done))


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
