"""The small critic's network: a bidirectional encoder with a keep head and a boundary head.

This is the published idea (a token critic that sees question and window together, in both
directions) at MiniLM size. The published model labels with words of its vocabulary; this one
has a single keep logit and the same four boundary classes B, I, O, E.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.masking_utils import create_bidirectional_mask

BOUNDARIES = "BIOE"


Prompt = tuple[Tensor, Tensor]
"""Ids and mask of what is read before a text, both [batch, length]."""


class CriticModel(nn.Module):
    """BERT encoder, ``keep``: one logit a token, ``boundary``: four (B, I, O, E).

    The lowest ``config.apart_layers`` layers (without it none) read prompt and text apart: the
    text's states above them are then the same for every question, and are made once (delayed
    interaction, as in DeFormer: Cao et al. 2020, arXiv 2005.00697)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.keep = nn.Linear(config.hidden_size, 1)
        self.boundary = nn.Linear(config.hidden_size, len(BOUNDARIES))

    @property
    def apart(self) -> int:
        """Of how many layers the text's states do not depend on the question."""
        return int(getattr(self.config, "apart_layers", 0))

    def forward(
        self, ids: Tensor, types: Tensor, mask: Tensor, prompt: Prompt | None = None
    ) -> tuple[Tensor, Tensor]:
        """Keep logits [batch, length] and boundary logits [batch, length, 4] of ``ids``. With
        ``prompt`` it is read apart, else ``ids`` begins with it."""
        hidden = self.lower(ids, types, mask)
        if prompt is None:
            return self.upper(hidden, mask)
        return self.upper(hidden, mask, (self.lower_prompt(prompt), prompt[1]))

    def lower(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """The states above the layers that read apart, [batch, length, width]."""
        hidden = self.encoder.embeddings(input_ids=ids, token_type_ids=types)
        return self._through(self.encoder.encoder.layer[: self.apart], hidden, mask)

    def lower_prompt(self, prompt: Prompt) -> Tensor:
        """The same of a prompt."""
        return self.lower(prompt[0], torch.zeros_like(prompt[0]), prompt[1])

    def upper(
        self, hidden: Tensor, mask: Tensor, prompt: Prompt | None = None
    ) -> tuple[Tensor, Tensor]:
        """From those states to logits of ``hidden``; before them the prompt's states and mask."""
        before = 0
        if prompt is not None:
            before = prompt[0].shape[1]
            hidden, mask = torch.cat((prompt[0], hidden), 1), torch.cat((prompt[1], mask), 1)
        hidden = self._through(self.encoder.encoder.layer[self.apart :], hidden, mask)
        hidden = hidden[:, before:]
        return self.keep(hidden).squeeze(-1), self.boundary(hidden)

    def _through(self, layers: Iterable[nn.Module], hidden: Tensor, mask: Tensor) -> Tensor:
        seen = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden, attention_mask=mask
        )
        for layer in layers:
            hidden = layer(hidden, seen)
        return hidden


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
