"""Trained weights as GGUF, for the embedded engine: whole models, and LoRA adapters.

The product has no llama.cpp tools, so this writes the two architectures its registry has, Llama
and Qwen2, with the ``gguf`` package. Sizes come from the model's own configuration; tokenizer and
chat template are copied byte for byte from a GGUF file of the same vocabulary (``like``), as those
are what a converter most easily gets wrong. Other architectures, and scaled rotary embeddings, are
refused: llama.cpp's own ``convert_hf_to_gguf.py`` and ``convert_lora_to_gguf.py`` have them.

Llama's query and key rows stand in another order in GGUF (pairs side by side, not halves), Qwen2's
do not; norms and biases stay float32, as llama.cpp wants them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from documents.errors import ModelError, SettingsError
from policy.training.models import ADAPTER

Array = NDArray[Any]
KINDS = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q5_1": gguf.LlamaFileType.MOSTLY_Q5_1,
    "q4_1": gguf.LlamaFileType.MOSTLY_Q4_1,
}
"""What the gguf package can write; llama.cpp's K-quants, such as Q4_K_M, it can only read."""

_ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}
_KEPT = ("tokenizer.", "general.license", "general.languages")
_LEARNT = "base_model.model."


def write_model(model: Any, like: Path, out: Path, kind: str = "q8_0", name: str = "") -> Path:
    """The causal ``model``, weights rounded to ``kind``; returns the file. Matrices that ``kind``
    has no blocks for become f16."""
    if kind not in KINDS:
        raise SettingsError(f"kind is {kind!r}.", f"Give one of: {', '.join(KINDS)}.")
    config = model.config
    base = _Base(like, config)
    writer = base.writer(out, "model", name)
    base.write_sizes(writer)
    writer.add_file_type(int(KINDS[kind]))
    base.copy_kept(writer)
    for hf_name, value in _weights(model):
        array = base.ordered(hf_name, value.detach().float().cpu().numpy())
        wanted = gguf.GGMLQuantizationType.F32
        if array.ndim > 1 and kind != "f32":
            wanted = gguf.GGMLQuantizationType[kind.upper()]
            if array.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
                wanted = gguf.GGMLQuantizationType.F16
        writer.add_tensor(base.name(hf_name), gguf.quantize(array, wanted), raw_dtype=wanted)
    return _closed(writer, out)


def write_adapter(folder: Path, like: Path, config: Any, out: Path, name: str = "") -> Path:
    """The LoRA adapter in a PEFT ``folder`` of a model with this ``config``, as float16; returns
    the file. llama.cpp adds it to a base model of any kind, quantised ones as well."""
    told = json.loads((folder / ADAPTER).read_text("utf-8"))
    if told.get("peft_type") != "LORA" or told.get("use_dora") or told.get("modules_to_save"):
        raise ModelError(
            f"{folder} is not a plain LoRA adapter.", 'Merge it: format = "gguf" in export.toml.'
        )
    base = _Base(like, config)
    writer = base.writer(out, "adapter", name)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(told["lora_alpha"]))
    for key, value in sorted(load_file(str(folder / "adapter_model.safetensors")).items()):
        module, _, side = key.removeprefix(_LEARNT).removesuffix(".weight").rpartition(".lora_")
        array = value.float().numpy()
        if side == "B":  # the rows of the base's matrix
            array = base.ordered(f"{module}.weight", array)
        part = base.name(f"{module}.weight") + f".lora_{side.lower()}"
        half = gguf.GGMLQuantizationType.F16
        writer.add_tensor(part, gguf.quantize(array, half), raw_dtype=half)
    return _closed(writer, out)


def _weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight once: an output layer tied to the embedding is not written, as llama.cpp then
    ties it too."""
    tied = bool(model.config.tie_word_embeddings)
    for name, value in model.state_dict().items():
        if not (tied and name == "lm_head.weight"):
            yield name, value


class _Base:
    """What the file is made after: a GGUF of the same vocabulary, and the model's sizes."""

    def __init__(self, like: Path, config: Any) -> None:
        self.config = config
        if config.model_type not in _ARCHITECTURES:
            raise ModelError(
                f"A {config.model_type} model cannot be written as GGUF here; "
                f"{' and '.join(_ARCHITECTURES)} can.",
                'Use llama.cpp\'s convert_hf_to_gguf.py on the merged model (format = "hf").',
            )
        if self._rope().get("rope_type", "default") != "default":
            raise ModelError(
                "The model scales its rotary embedding, which is not written here.",
                'Use llama.cpp\'s convert_hf_to_gguf.py on the merged model (format = "hf").',
            )
        try:
            self.fields: Mapping[str, Any] = gguf.GGUFReader(str(like)).fields
            tokens = len(self.fields["tokenizer.ggml.tokens"].data)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise ModelError(
                f"{like} is no GGUF file with a tokenizer: {error}",
                "Give `like` the GGUF of the model that was trained from.",
            ) from error
        if tokens != config.vocab_size:
            raise ModelError(
                f"{like} has {tokens} tokens, the model {config.vocab_size}.",
                "Give `like` a GGUF with the same tokenizer as the model.",
            )
        arch = _ARCHITECTURES[config.model_type]
        self.names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)

    def _rope(self) -> dict[str, Any]:
        return dict(self.config.rope_parameters or {})

    def writer(self, out: Path, kind: str, name: str) -> gguf.GGUFWriter:
        out.parent.mkdir(parents=True, exist_ok=True)
        writer = gguf.GGUFWriter(str(_fresh(out)), self.config.model_type)
        writer.add_type(kind)
        writer.add_name(name or out.stem)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        return writer

    def write_sizes(self, writer: gguf.GGUFWriter) -> None:
        config = self.config
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        writer.add_block_count(config.num_hidden_layers)
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(head)
        writer.add_value_length(head)
        writer.add_rope_dimension_count(head)
        writer.add_rope_freq_base(float(self._rope().get("rope_theta", 10_000.0)))
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_vocab_size(config.vocab_size)

    def copy_kept(self, writer: gguf.GGUFWriter) -> None:
        """Tokenizer, chat template and licence, as they are."""
        for name, field in self.fields.items():
            if name.startswith(_KEPT):
                inner = field.types[-1] if len(field.types) > 1 else None
                writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)

    def name(self, hf_name: str) -> str:
        found = self.names.get_name(hf_name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(
                f"GGUF has no name for the weight {hf_name} of a {self.config.model_type} model.",
                'Use llama.cpp\'s convert_hf_to_gguf.py on the merged model (format = "hf").',
            )
        return str(found)

    def ordered(self, hf_name: str, array: Array) -> Array:
        """Llama's query and key rows in GGUF's order; everything else as it is."""
        heads = {
            "q_proj": self.config.num_attention_heads,
            "k_proj": self.config.num_key_value_heads,
        }.get(hf_name.split(".")[-2])
        if heads is None or self.config.model_type != "llama":
            return array
        halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(array.shape))


def _fresh(out: Path) -> Path:
    return out.with_name(out.name + ".new")


def _closed(writer: gguf.GGUFWriter, out: Path) -> Path:
    """The file, put in place whole."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return _fresh(out).replace(out)
