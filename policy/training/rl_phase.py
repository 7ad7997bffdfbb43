"""One phase of RL: the trainer that `rl` sets up, from its last checkpoint on."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from documents.errors import SettingsError
from policy.rewards import Hybrid
from policy.training.curriculum import spares, stream
from policy.training.grpo import PolicyTrainer, Records, Sampling
from policy.training.logs import Log
from policy.training.models import ADAPTER, GGUF, device_of, load_model, to_train
from policy.training.rollouts import Rewards

if TYPE_CHECKING:
    from policy.training.rl import Config, Phase, Prompts

Say = Callable[[str], None]
LOGGED = {
    "loss": "loss",
    "grad_norm": "gradient",
    "learning_rate": "rate",
    "entropy": "entropy",
    "kl": "kl",
    "reward": "reward",
    "reward_std": "reward_std",
    "completions/mean_length": "tokens/mean",
    "completions/max_length": "tokens/max",
    "completions/clipped_ratio": "tokens/cut_off",
    "clip_ratio/low_mean": "clipped/low",
    "clip_ratio/high_mean": "clipped/high",
    "num_tokens": "tokens/seen",
    "step_time": "seconds",
}
"""What of TRL's figures is logged, and as what; ours have names of their own."""
SAID = ("answers/worth", "entropy", "tokens/mean", "groups/zero_variance", "seconds")


def train_phase(config: Config, phase: Phase, prompts: Prompts, say: Say) -> Path:
    """The phase, from where it stopped; returns the model's folder."""
    if config.threads:
        torch.set_num_threads(config.threads)
    checkpoint, step = last_checkpoint(phase.folder)
    main = int(os.environ.get("RANK", "0")) == 0
    records = Records(phase.folder / "groups.jsonl", step) if main else None
    log = Log(phase.folder, step) if main else None
    if checkpoint:
        say(f"{phase.folder}: going on after step {step}")
    try:
        trainer = made_trainer(config, phase, prompts, records=records, log=log, say=say)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        for file in (records, log):
            if file is not None:
                file.close()
    return _exported(trainer, prompts.tokenizer, phase.folder)


def made_trainer(
    config: Config,
    phase: Phase,
    prompts: Prompts,
    *,
    records: Records | None,
    log: Log | None,
    say: Say,
) -> PolicyTrainer:
    """The trainer of a phase. What it reads follows from the seed, the phase and the step."""
    seed = f"{config.seed} {phase.number}"
    order = stream(phase.pool, config.prompts * phase.steps, seed)
    texts = list(prompts.texts)
    data = Dataset.from_dict({"prompt": texts, "row": list(range(len(texts)))})

    def others(step: int) -> list[int]:
        place = (step - 1) // config.updates * config.prompts
        return spares(phase.pool, order[place : place + config.prompts], f"{seed} {step}")

    settings = arguments(config, phase)
    model, reference = _models(config, phase)
    rewards = Rewards(
        prompts.rows,
        prompts.tokenizer,
        config.most_words,
        config.answer_tokens,
        config.overlong_buffer if config.dapo else 0,
        _judge(config),
    )
    trainer = PolicyTrainer(
        model=model,
        reward_funcs=rewards.functions(),
        args=settings,
        train_dataset=data.select(order),
        processing_class=prompts.tokenizer,
        callbacks=[_Logger(log, say)] if log else [],
        sampling=Sampling(
            seed=config.seed * 101 + phase.number,
            spares=others,
            prompts=texts.__getitem__,
            carried=phase.carried,
            refills=config.refills if config.dapo else 0,
        ),
        records=records,
        reference=reference,
        kl_steps=config.kl_steps,
    )
    trainer.remove_callback(PrinterCallback)  # it writes to stdout
    return trainer


def arguments(config: Config, phase: Phase) -> GRPOConfig:
    """TRL's settings of a phase."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    parts = config.prompts * config.group // (config.micro_batch * config.updates)
    if parts % world or config.prompts % world:
        raise SettingsError(
            f"{config.prompts} prompts do not divide over {world} processes.",
            "Let the number of processes divide prompts, and prompts * group / "
            "(micro_batch * updates).",
        )
    return GRPOConfig(
        output_dir=str(phase.folder),
        loss_type="dapo" if config.dapo else "grpo",
        epsilon=config.clip_low,
        epsilon_high=config.clip_high if config.dapo else config.clip_low,
        beta=config.beta,
        num_generations=config.group,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=parts // world,
        steps_per_generation=parts // world * config.updates,
        max_completion_length=config.answer_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        max_steps=phase.steps * config.updates,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=config.warmup_steps,
        max_grad_norm=config.clip,
        shuffle_dataset=False,
        save_steps=config.checkpoint_steps * config.updates,
        save_total_limit=1,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        bf16=config.bf16,
        use_cpu=device_of(config.device).type == "cpu",
        dataloader_pin_memory=device_of(config.device).type != "cpu",
        gradient_checkpointing=config.recompute,
        use_vllm=config.vllm,
        seed=config.seed,
    )


def _models(config: Config, phase: Phase) -> tuple[Any, Any]:
    """The model to train, and the one that the divergence is measured from: what the phase begins
    with, or for an adapter the model under it."""
    torch.manual_seed(config.seed)
    merged = not config.lora_rank and (phase.model / ADAPTER).is_file()
    if config.beta and ((phase.model / GGUF).is_file() or merged):
        raise SettingsError(
            "beta is above 0, and TRL reads its reference from the model's folder, not from GGUF "
            "nor from an adapter.",
            "Start from a whole model of policy-sft, set lora_rank, or set beta = 0.",
        )
    if config.lora_rank:
        return to_train(phase.model, config.lora_rank), None
    model = load_model(phase.model)
    if not config.kl_steps or config.beta:
        return model, None
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError(
            "kl_steps measures from a second whole model, which several processes do not share.",
            "Set kl_steps = 0, or a lora_rank, or beta above 0.",
        )
    reference = copy.deepcopy(model).to(device_of(config.device)).eval()
    return model, reference.requires_grad_(requires_grad=False)


def _judge(config: Config) -> Hybrid | None:
    if not config.judge_url:
        return None
    from policy.config import ReasonerConfig
    from policy.judge import hybrid

    served = ReasonerConfig(url=config.judge_url, served_model=config.judge_model)
    return hybrid(served, Path(config.out) / "verdicts.jsonl")


def last_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The last whole checkpoint of a phase and its step; those that a kill cut short are removed.
    The trainer writes its state last, and removes an older checkpoint only after that."""
    found: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        try:
            step = int(json.loads((path / "trainer_state.json").read_text("utf-8"))["global_step"])
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path)
            continue
        found.append((step, path))
    step, place = max(found, default=(0, None))
    return place, step


def _exported(trainer: PolicyTrainer, tokenizer: Any, folder: Path) -> Path:
    """The model, or its adapter, with the tokenizer; the checkpoints are then removed."""
    fresh, place = folder / "model.new", folder / "model"
    if trainer.accelerator.is_main_process:
        shutil.rmtree(fresh, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    trainer.save_model(str(fresh))
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process:
        (fresh / "training_args.bin").unlink(missing_ok=True)
        tokenizer.save_pretrained(str(fresh))
        fresh.replace(place)
        for path in folder.glob("checkpoint-*"):
            shutil.rmtree(path)
    trainer.accelerator.wait_for_everyone()
    return place


class _Logger(TrainerCallback):  # type: ignore[misc]
    """Sends a step's figures to our log."""

    def __init__(self, log: Log, say: Say) -> None:
        self._log, self._say = log, say

    def on_log(
        self, _args: Any, state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """TRL's figures under our names, and ours; the summary at the end is left out."""
        if not logs or "loss" not in logs:
            return
        ours = ("groups/", "answers/", "judge/")
        named = {LOGGED.get(name, name): value for name, value in logs.items() if value is not None}
        kept = {n: float(v) for n, v in named.items() if n in LOGGED.values() or n.startswith(ours)}
        self._log.write(state.global_step, kept)
        told = ", ".join(f"{name} {kept[name]:.3g}" for name in SAID if name in kept)
        self._say(f"step {state.global_step} of {state.max_steps}: {told}")
