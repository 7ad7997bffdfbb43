"""The published critic's network (QwenLong-CPRS, arXiv 2505.18092, section 2.2) on any Qwen2 or
Llama decoder: layers below N are causal, from N up every token sees every token.

Two heads read the same hidden state, with no shift: the language model's own head, which says
what a token is in a word of the vocabulary, and ``cls_head``, which says B, I, O or E. A folder
holds them under the published names: transformers' own for the decoder, ``lm_head.weight``,
``cls_head.weight`` [4, hidden] and ``cls_head.bias`` [4].

The released code has N = 21 hard-wired (its setting for it is shadowed). Here it stands in
``config.json``, with the rest of `Settings`, under ``cprs``; a published folder has no such
entry and gets the published values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from compressor.critics.load import CPRS_MODEL_TYPES
from documents.errors import ModelError, ModelUnavailableError

BOUNDARIES = "BIOE"
O = 2  # noqa: E741 - the published name of the class
PACKED = "flash_attention_2"
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a checkpoint's ``config.json`` says under ``cprs``; the defaults are the published
    model's. ``first_bidirectional_layer``: N, from 0. ``lm_head``: whether the language model's
    head has a say; the released inference code leaves it out. ``window_tokens``: the prompt's
    tokens and the text's together. ``header_tokens``: room for the document's name and headings
    before the text, of which the published format has none."""

    first_bidirectional_layer: int = 21
    lm_head: bool = False
    window_tokens: int = 8192
    header_tokens: int = 0


class CprsModel(nn.Module):
    """The decoder and its two heads. ``backbone``: transformers' own model, whose layers are
    used one by one; ``lm_head`` is None in a critic that goes without."""

    def __init__(self, backbone: Any, lm_head: nn.Linear | None, settings: Settings) -> None:
        super().__init__()
        layers = len(backbone.layers)
        if not 0 <= settings.first_bidirectional_layer <= layers:
            raise ModelError(
                f"first_bidirectional_layer is {settings.first_bidirectional_layer}; "
                f"the model has {layers} layers.",
                f"Set it to 0 or more, up to {layers}.",
            )
        if any(kind != "full_attention" for kind in _layer_types(backbone.config)):
            raise ModelError("The model looks at a sliding window.", "Choose one that does not.")
        self.settings = settings
        self.config = backbone.config
        self.model = backbone
        self.lm_head = lm_head
        weight = backbone.norm.weight
        self.cls_head = nn.Linear(
            len(weight), len(BOUNDARIES), device=weight.device, dtype=weight.dtype
        )
        for number, layer in enumerate(backbone.layers):
            layer.self_attn.is_causal = number < settings.first_bidirectional_layer

    @property
    def tied(self) -> bool:
        """Whether the language model's head is the embedding table itself."""
        return self.lm_head is not None and self.lm_head.weight is self.model.embed_tokens.weight

    def forward(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """The hidden states that both heads read, [batch, length, hidden].

        ``ids``: [batch, length], padded on the right; ``lengths``: the tokens in each row. What
        stands in the padding changes nothing before it, and its own states mean nothing."""
        counts = torch.tensor(lengths, device=ids.device)
        real = torch.arange(ids.shape[1], device=ids.device) < counts[:, None]
        if self.config._attn_implementation == PACKED:
            packed = self._decode(ids[real][None], _positions(real)[real][None], _varlen(counts))
            hidden = packed.new_zeros(*ids.shape, packed.shape[-1])
            hidden[real] = packed[0]
            return hidden
        padded = min(lengths) < ids.shape[1]
        return self._decode(ids, _positions(real), {}, real[:, None, None] if padded else None)

    def _decode(
        self, ids: Tensor, positions: Tensor, extra: dict[str, Any], seen: Tensor | None = None
    ) -> Tensor:
        """All layers and the last norm. Below N padding is never seen, as it stands to the right
        of everything; from N up ``seen``, bool [batch, 1, 1, length], says what is."""
        hidden: Tensor = self.model.embed_tokens(ids)
        rotation = self.model.rotary_emb(hidden, positions)
        for layer in self.model.layers:
            hidden = layer(
                hidden,
                attention_mask=None if layer.self_attn.is_causal else seen,
                position_embeddings=rotation,
                position_ids=positions,
                **extra,
            )
        states: Tensor = self.model.norm(hidden)
        return states

    def decide(self, hidden: Tensor, words: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Of each hidden state [n, hidden]: the probability that it is kept, [n], and those of B,
        I, O and E, [n, 4]. ``words``: ids of the word "outside" and of the category's words."""
        boundaries = self.cls_head(hidden).float()
        if self.lm_head is None:
            return decision(boundaries, None)
        rows = self.lm_head.weight[torch.tensor(words, device=hidden.device)]
        return decision(boundaries, functional.linear(hidden, rows).float())


def decision(boundaries: Tensor, words: Tensor | None) -> tuple[Tensor, Tensor]:
    """One decision over words and boundaries, from the logits of boundaries, [n, 4], and of the
    word "outside" followed by the category's words, [n, 1 + k], where the critic has them.

    The heads are independent given the hidden state, so a pair's probability is the product of
    its two. Only the pairs that a label can be are weighed: outside with O, a category's word with
    B, I or E (the paper's figure 3). Returns keep, [n], and boundaries, [n, 4]: probabilities."""
    log = functional.log_softmax(boundaries, -1)
    if words is not None:
        inside = words[:, 1:].logsumexp(-1) - words[:, 0]
        log = log + inside[:, None]
        log[:, O] -= inside
    found = log.softmax(-1)
    return found[:, [0, 1, 3]].sum(-1), found


def _positions(real: Tensor) -> Tensor:
    return torch.arange(real.shape[1], device=real.device).expand_as(real)


def _varlen(counts: Tensor) -> dict[str, Any]:
    """What flash attention needs to keep windows apart that lie end to end in one row."""
    ends = functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)
    longest = int(counts.max())
    return {
        "cu_seq_lens_q": ends,
        "cu_seq_lens_k": ends,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def _layer_types(config: Any) -> Sequence[str]:
    return getattr(config, "layer_types", None) or ()


def start_from(source: Path, settings: Settings, layers: int = 0) -> CprsModel:
    """A critic with the weights of a Qwen2 or Llama model, in float32, and a fresh ``cls_head``
    that begins by calling nearly everything outside. ``layers``: of the lowest ones, where not 0,
    so many alone.

    ``source``: a Hugging Face folder, or a GGUF file, whose weights are dequantised. A head tied
    to the embeddings stays tied. Raises `ModelError` for what cannot be read or is another kind
    of model."""
    from transformers import AutoModelForCausalLM

    where, gguf = (source.parent, source.name) if source.suffix == ".gguf" else (source, None)
    try:
        base = AutoModelForCausalLM.from_pretrained(
            str(where), gguf_file=gguf, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).split("\n", 1)[0][:200]
        raise ModelError(f"{source}: cannot be loaded: {first}", _hint()) from error
    if base.config.model_type not in CPRS_MODEL_TYPES:
        raise ModelError(f"{source} is a model of type {base.config.model_type}.", _hint())
    if 0 < layers < len(base.model.layers):
        base.model.layers = base.model.layers[:layers]
        base.config.num_hidden_layers = layers
        if _layer_types(base.config):
            base.config.layer_types = base.config.layer_types[:layers]
    model = CprsModel(base.model, base.lm_head if settings.lm_head else None, settings)
    nn.init.normal_(model.cls_head.weight, std=model.config.initializer_range)
    nn.init.zeros_(model.cls_head.bias)
    nn.init.constant_(model.cls_head.bias[O : O + 1], 3.0)
    return model


def tokenizer_of(source: Path) -> Tokenizer:
    """The tokenizer that comes with the weights in ``source`` (as in `start_from`), to be saved
    beside the critic's as ``tokenizer.json``."""
    if source.suffix != ".gguf":
        return Tokenizer.from_file(str(source / "tokenizer.json"))
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
    tokenizer: Tokenizer = found.backend_tokenizer
    return tokenizer


def _hint() -> str:
    return "Name the folder or the GGUF file of a Qwen2 or Llama model."


def build(values: Mapping[str, Any], attention: str = "sdpa") -> CprsModel:
    """The model that ``config.json`` describes, without weights (on PyTorch's meta device)."""
    import transformers

    own = dict(values.get("cprs", {}))
    if unknown := own.keys() - {field.name for field in fields(Settings)}:
        raise ModelError(f"config.json: cprs.{min(unknown)} is not a setting of the critic.")
    settings = Settings(**own)
    kind = {"qwen2": "Qwen2", "llama": "Llama"}[values["model_type"]]
    config = getattr(transformers, f"{kind}Config").from_dict(
        {k: v for k, v in values.items() if k not in ("cprs", "quantization_config")}
    )
    config._attn_implementation = attention
    with torch.device("meta"):
        backbone = getattr(transformers, f"{kind}Model")(config)
        lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        model = CprsModel(backbone, lm_head if settings.lm_head else None, settings)
    if settings.lm_head and config.tie_word_embeddings:
        lm_head.weight = backbone.embed_tokens.weight
    return model


def layout(model: CprsModel) -> dict[str, tuple[int, ...]]:
    """The keys and shapes of the model's checkpoint: one key for what is tied."""
    return {
        key: tuple(value.shape)
        for key, value in model.state_dict().items()
        if not (model.tied and key == "lm_head.weight")
    }


def load_model(
    folder: Path, attention: str = "sdpa", device: str = "cpu", dtype: torch.dtype = torch.float32
) -> CprsModel:
    """The critic in ``folder``: ``config.json`` and ``model.safetensors``, whole or in shards.

    Raises `ModelError` naming the first key that is missing, unknown or of another shape, and
    `ModelUnavailableError` naming a file that is not there."""
    model = build(json.loads((folder / "config.json").read_text("utf-8")), attention)
    files = _files(folder)
    found = {key: shape for file in files for key, shape in _shapes(file).items()}
    if model.lm_head is None:
        found.pop("lm_head.weight", None)  # left out, as the released inference code does
    _check(folder, layout(model), found)
    tied = model.tied
    for file in files:
        with safe_open(file, "pt", device=device) as shard:
            state = {k: shard.get_tensor(k).to(dtype) for k in shard.keys() if k in found}  # noqa: SIM118
        model.load_state_dict(state, strict=False, assign=True)
    if tied and model.lm_head is not None:
        model.lm_head.weight = model.model.embed_tokens.weight
    # Its frequencies are in no checkpoint, and stay in float32 whatever the weights are in.
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(device)
    return model.eval()


def _files(folder: Path) -> list[Path]:
    whole = folder / "model.safetensors"
    files = [whole]
    if not whole.is_file() and (folder / INDEX).is_file():
        shards = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()
        files = [folder / PurePath(name).name for name in sorted(set(shards))]
    for file in files:
        if not file.is_file():
            raise ModelUnavailableError(f"The critic's checkpoint {folder} has no {file.name}.")
    return files


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    with safe_open(file, "pt") as shard:
        return {key: tuple(shard.get_slice(key).get_shape()) for key in shard.keys()}  # noqa: SIM118


def _check(
    folder: Path, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found:
            raise ModelError(f"The critic's checkpoint {folder} lacks {key}.")
        if key not in wanted:
            raise ModelError(f"The critic's checkpoint {folder} has {key}, which is no part of it.")
        if wanted[key] != found[key]:
            raise ModelError(
                f"The critic's checkpoint {folder}: {key} is {list(found[key])}, "
                f"not {list(wanted[key])}."
            )


def save_model(model: CprsModel, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Write ``config.json`` and ``model.safetensors``, in ``dtype`` or as the weights are."""
    folder.mkdir(parents=True, exist_ok=True)
    own = ("quantization_config", "dtype", "transformers_version", "architectures")
    values = {
        key: value
        for key, value in model.config.to_diff_dict().items()
        if not key.startswith("_") and key not in own
    }
    kind = "Qwen2" if model.config.model_type == "qwen2" else "Llama"
    light = "" if model.lm_head is not None else "_pred"
    values["architectures"] = [f"{kind}ForCausalLMandBIO{light}"]
    values["model_type"] = model.config.model_type
    values["cprs"] = asdict(model.settings)
    (folder / "config.json").write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    state = model.state_dict()
    kept = {
        key: state[key].detach().to(dtype or state[key].dtype).contiguous() for key in layout(model)
    }
    path = folder / "model.safetensors"
    save_file(kept, path, {"format": "pt"})
    path.chmod(0o644)  # written for its owner alone, it would not be for those who install it
