"""The small critic's network: a bidirectional encoder with a keep head and a boundary head.

This is the published idea (a token critic that sees question and window together, in both
directions) at MiniLM size. The published model labels with words of its vocabulary; this one
has a single keep logit and the same four boundary classes B, I, O, E.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

BOUNDARIES = "BIOE"


class CriticModel(nn.Module):
    """BERT encoder, ``keep``: one logit a token, ``boundary``: four (B, I, O, E)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.keep = nn.Linear(config.hidden_size, 1)
        self.boundary = nn.Linear(config.hidden_size, len(BOUNDARIES))

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Keep logits [batch, length] and boundary logits [batch, length, 4]."""
        hidden = self.encoder(
            input_ids=ids, token_type_ids=types, attention_mask=mask
        ).last_hidden_state
        return self.keep(hidden).squeeze(-1), self.boundary(hidden)


def start_from(folder: Path, attention: str = "sdpa") -> CriticModel:
    """A critic with the encoder's published weights in ``folder`` and fresh heads."""
    config = BertConfig.from_pretrained(folder)
    config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = attention
    model = CriticModel(config)
    state = load_file(folder / "model.safetensors")
    wanted = model.encoder.state_dict()
    model.encoder.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=True)
    nn.init.constant_(model.keep.bias, -3.0)
    return model


def save_model(model: CriticModel, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write ``config.json`` and ``model.safetensors`` (in half precision unless told)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {k: v for k, v in model.config.to_diff_dict().items() if not k.startswith("_")}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    state = {
        k: v.detach().to(dtype).contiguous()
        for k, v in model.state_dict().items()
        if v.is_floating_point()
    }
    path = folder / "model.safetensors"
    save_file(state, path)
    path.chmod(0o644)  # written for its owner alone, it would not be for those who install it


def load_model(folder: Path, attention: str = "sdpa") -> CriticModel:
    """The critic saved in ``folder``, in float32."""
    config = BertConfig(**json.loads((folder / "config.json").read_text()))
    config._attn_implementation = attention
    model = CriticModel(config)
    state = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict(state, strict=True)
    return model.eval()
