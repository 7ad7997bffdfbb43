"""Every setting, in one typed schema, with named profiles.

Values come, first to last wins last: defaults, the profile, ``settings.toml`` in the data folder,
``LONGDOC_*`` environment variables (``LONGDOC_REASONER__URL`` sets ``reasoner.url``), the caller.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from compressor.config import CompressorConfig
from documents.errors import SettingsError
from documents.storage import default_home
from policy.config import ReasonerConfig
from retrieval.config import RetrievalConfig

PROFILES: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {
        "budget": 1_000,
        "reasoner": {"max_answer_tokens": 256},
        "compressor": {"cascade_tokens": 16_000},
    },
    "thorough": {"budget": 6_000, "reasoner": {"max_answer_tokens": 1_024}},
}
"""Named bundles: default (2,000 tokens of context), fast (1,000; of long documents the critic reads
the nearest part alone), thorough (6,000)."""


LEAST_BUDGET = 50
"""Tokens of context with which a question can be asked at all."""


class Settings(BaseSettings):
    """What can be set. Packages own their part; this composes them."""

    model_config = SettingsConfigDict(
        env_prefix="LONGDOC_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = Field(default_factory=default_home, description="the data folder")
    strategy: str = Field("cprs", pattern="^(cprs|rag|full)$", description="how to find context")
    budget: int = Field(2_000, ge=LEAST_BUDGET, description="tokens of context for cprs and rag")
    chunk_tokens: int = Field(
        4_000, ge=200, description="tokens read at once in memory mode, at most"
    )
    memory_tokens: int = Field(
        1_024, ge=50, description="tokens of what memory mode remembers, at most"
    )
    least_score: float = Field(
        0.0, ge=0, description="evidence whose best score is lower is taken as no evidence"
    )
    arithmetic: bool = Field(
        True, description="compute what a question asks to be computed from cited figures"
    )
    plan: Literal["off", "rules", "model"] = Field(
        "rules",
        description="who plans what to find where: rules split a question only over documents "
        "that it plainly asks for, and change nothing else; a model may split it in other ways, "
        "which a small one does badly: its plan is then replaced by that of the rules",
    )
    max_rounds: int = Field(
        1,
        ge=1,
        le=5,
        description="how often evidence is looked for; above 1 the model says what is missing, "
        "at the price of a call a round, and each round gets a part of the budget",
    )
    step_timeout_s: float = Field(
        3_600, ge=0, description="seconds that one step of a run may take; 0 for no limit"
    )
    repairs: int = Field(
        1, ge=0, le=3, description="how often an answer that its quotes contradict is asked again"
    )
    reasoner: ReasonerConfig = Field(default=ReasonerConfig(), description="the reasoning model")
    compressor: CompressorConfig = Field(default=CompressorConfig(), description="the critic")
    retrieval: RetrievalConfig = Field(default=RetrievalConfig(), description="the RAG baseline")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before what the file and the profile say."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @field_validator("home")
    @classmethod
    def _whole(cls, home: Path) -> Path:
        """As `default_home`, which finds ``settings.toml`` there: also where no shell expands."""
        return home.expanduser().absolute()

    @property
    def hash(self) -> str:
        """Twelve hex digits that name these settings (no secrets, no folders)."""
        shown = self.model_dump(mode="json", exclude={"home": True, "reasoner": {"api_key"}})
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:12]


class _Given(Settings):
    """Settings that no environment changes: what the caller gave goes before it."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was given, alone."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load_settings(profile: str = "default", **overrides: Any) -> Settings:
    """The settings in force. Raises `SettingsError` naming the setting that cannot work."""
    if profile not in PROFILES:
        raise SettingsError(
            f"There is no profile {profile!r}.", f"Choose one of: {', '.join(PROFILES)}."
        )
    values = _merge(PROFILES[profile], _from_file(default_home() / "settings.toml"))
    try:
        loaded = Settings(**values)
        if overrides:
            given = _Given(**_merge(loaded.model_dump(), overrides))
            loaded = loaded.model_copy(update={name: getattr(given, name) for name in overrides})
    except SourceError as error:
        raise SettingsError(
            f"A LONGDOC_ variable has the wrong form: {error}.",
            "Name the part that is meant, such as LONGDOC_REASONER__URL.",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            raise SettingsError(
                f"There is no setting {name!r}.", "Correct or remove it; README.md lists them."
            ) from None
        raise SettingsError(
            f"Setting {name!r} cannot be {first['input']!r}: {first['msg']}.",
            f"Correct it in settings.toml or LONGDOC_{name.upper().replace('.', '__')}.",
        ) from None
    return loaded


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.", "Mend or remove it.") from error


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged
