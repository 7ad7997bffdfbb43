"""Where the reasoning model is served, under which name, and how much it takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from documents.errors import ReasonerError
from policy.config import ReasonerConfig
from policy.faults import NoSuchModelError, NotAllowedError, no_connection
from policy.thinking import opens_thinking

UNKNOWN_CONTEXT = 8192
"""Taken for a server that does not say how much its model takes."""

LIST_S = 30.0
"""Allowed for a server's list of models."""

RETRY_S = 0.5
"""Waited before the first retry; twice as long before each further one."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server and the model asked for there; ``root`` is what vLLM says it was
    loaded from, whatever name it is served under."""

    url: str
    api_key: str = field(repr=False)
    model: str
    context_tokens: int
    served: tuple[str, ...] = ()
    embedded: bool = False
    root: str = ""

    @property
    def thinks(self) -> bool:
        """Whether the model is likely to think before it answers, by its names."""
        return opens_thinking(self.model) or opens_thinking(self.root)

    @property
    def name(self) -> str:
        """What a message calls it."""
        return "The embedded engine" if self.embedded else f"The server at {self.url}"


def base_url(url: str) -> str:
    """``url`` without a slash at its end, and with ``/v1`` where it is only a host."""
    url = url.rstrip("/")
    return url if urlsplit(url).path else f"{url}/v1"


def discover(config: ReasonerConfig) -> Endpoint:
    """Ask the server at ``config.url`` what it serves."""
    assert config.url
    url = base_url(config.url)
    rows = _models(url, config)
    served = tuple(str(row.get("id", "")) for row in rows)
    model = config.served_model or (served[0] if len(served) == 1 else "")
    if not model and config.model in served:
        model = config.model
    if not model:
        raise NoSuchModelError(
            f"{url} serves {len(served)} models.",
            f"Set reasoner.served_model to one of: {', '.join(served) or '(none is listed)'}.",
        )
    if served and model not in served:
        raise NoSuchModelError(
            f"{url} has no model '{model}'.",
            f"Set reasoner.served_model to one it serves: {', '.join(served)}.",
        )
    row = next((row for row in rows if row.get("id") == model), {})
    told = _context(row) or UNKNOWN_CONTEXT
    context = min(config.context_tokens, told) if config.context_tokens else told
    if config.context_tokens and not _context(row):
        context = config.context_tokens
    root = str(row.get("root") or "")
    return Endpoint(url, config.api_key or "none", model, context, served, root=root)


def _models(url: str, config: ReasonerConfig) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
    response = _patiently(url, headers, config)
    if response.status_code in {401, 403}:
        raise NotAllowedError(f"{url} refuses the key.", "Set reasoner.api_key to one it accepts.")
    if response.status_code == 404 and config.served_model:
        return []
    try:
        response.raise_for_status()
        rows = response.json()["data"]
        return [dict(row) for row in rows]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ReasonerError(
            f"{url} is not an OpenAI-compatible server (status {response.status_code}).",
            "reasoner.url must be the address that ends in /v1.",
        ) from error


def _patiently(url: str, headers: dict[str, str], config: ReasonerConfig) -> httpx.Response:
    """What ``/models`` says, asked again while the server is not there yet or overloaded."""
    timeout = httpx.Timeout(LIST_S, connect=config.connect_timeout_s)
    for left in range(config.retries, -1, -1):
        try:
            response = httpx.get(f"{url}/models", headers=headers, timeout=timeout)
            if not left or response.status_code not in {429, 502, 503, 504}:
                return response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not left or not isinstance(error, httpx.ConnectError):
                raise no_connection(url) from error
        time.sleep(RETRY_S * 2 ** (config.retries - left))
    raise AssertionError("the last try returns or raises")


def _context(row: dict[str, Any]) -> int | None:
    """What vLLM (``max_model_len``) or llama.cpp (``meta.n_ctx``) says of the model's context."""
    meta = row.get("meta")
    said = row.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return int(said) if isinstance(said, int) else None


def tokenize(endpoint: Endpoint, messages: list[dict[str, str]]) -> int | None:
    """The length of ``messages`` by vLLM's own tokenizer, or None where there is no such call."""
    root = endpoint.url.removesuffix("/v1")
    try:
        response = httpx.post(
            f"{root}/tokenize",
            json={"model": endpoint.model, "messages": messages},
            headers={"Authorization": f"Bearer {endpoint.api_key}"},
            timeout=10.0,
        )
        count = response.json()["count"] if response.is_success else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None
