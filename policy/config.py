"""What can be set about the reasoning model."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from documents.errors import SettingsError


@dataclass(frozen=True)
class ReasonerConfig:
    """The reasoning model: the embedded engine, or with ``url`` any OpenAI-compatible server.

    ``model`` is a registry row: what the embedded engine loads, and whose tokenizer counts at a
    ``url`` unless ``tokenizer`` names another row. ``served_model`` is the name asked for at the
    ``url`` (empty: the only one it serves). ``context_tokens`` None: what the server says, or
    16,384 embedded. ``thinks`` says that the model's template opens ``<think>`` itself, so that
    text up to ``</think>`` is reasoning (None: guess from the model's name). A model that thinks
    has ``max_thinking_tokens`` for it, at most half of its context, beside those of its answer;
    the default is what QwenLong-L1 was trained and measured with (section 3.2; there at temperature
    0.7 and top-p 0.95). ``idle_s``: seconds without a question after which the embedded engine
    ends. ``threads`` None: physical cores. ``offline``: a model that is not in the cache is an
    error, not fetched. ``adapter``: the GGUF file of a LoRA adapter that the embedded engine adds
    to the model.
    """

    model: str = "qwen2.5-coder-1.5b"
    url: str | None = None
    api_key: str = field(default="", repr=False)
    served_model: str = ""
    tokenizer: str = ""
    context_tokens: int | None = None
    max_answer_tokens: int = 512
    min_answer_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    thinks: bool | None = None
    max_thinking_tokens: int = 10_000
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 600.0
    retries: int = 2
    idle_s: float = 600.0
    threads: int | None = None
    offline: bool = False
    adapter: str = ""

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise SettingsError(
                f"reasoner.url is {self.url!r}.", "Give an address such as http://127.0.0.1:8000/v1"
            )
        if self.url and "@" in urlsplit(self.url).netloc:
            raise SettingsError(
                "reasoner.url holds a name or password, which messages would show.",
                "Set reasoner.api_key instead.",
            )
        least = {"max_answer_tokens": 1, "min_answer_tokens": 1, "context_tokens": 256}
        least |= {"threads": 1, "retries": 0, "temperature": 0, "max_thinking_tokens": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise SettingsError(f"reasoner.{name} is {value}.", f"Give {low} or more.")
