"""What went wrong at a server, as an error of longdoc's tree with its remedy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents.errors import ContextOverflowError, EngineError, ReasonerError

if TYPE_CHECKING:
    from policy.endpoint import Endpoint

_OVERFLOW = re.compile(r"context|maximum.*length|too long|exceed", re.IGNORECASE)


class NoConnectionError(ReasonerError):
    """Nothing answers at the address."""


class NotAllowedError(ReasonerError):
    """The server refuses the key."""


class NoSuchModelError(ReasonerError):
    """The server does not serve the model asked for."""


class BrokenAnswerError(ReasonerError):
    """The connection ended in mid-answer."""


class ThoughtCutError(ReasonerError):
    """The model thought until it had no tokens left, and did not answer."""


def translated(error: Exception, endpoint: Endpoint, begun: bool) -> Exception:
    """The error of the tree for one raised by the openai client or the network under it; any
    other error is returned as it is. ``begun``: part of the answer had come."""
    import httpx
    import openai

    if isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        return ReasonerError(
            f"{endpoint.name} did not answer in time.",
            "Raise reasoner.read_timeout_s, or ask with a smaller budget.",
        )
    if isinstance(error, openai.APIConnectionError | httpx.HTTPError | ValueError | OSError):
        return broken(endpoint) if begun else _not_begun(error, endpoint)
    if isinstance(error, openai.APIError):  # with a status, or told of within the stream
        code = error.status_code if isinstance(error, openai.APIStatusError) else 200
        return _status(code, _words(error, endpoint), endpoint)
    return error


def _not_begun(error: Exception, endpoint: Endpoint) -> ReasonerError:
    if isinstance(error, ValueError):
        return ReasonerError(
            f"{endpoint.name} sent something other than a stream of JSON.",
            "reasoner.url must be the address that ends in /v1.",
        )
    if endpoint.embedded:
        return EngineError("The embedded engine went away.", "Ask again: it is started anew.")
    return no_connection(endpoint.url)


def no_connection(url: str) -> NoConnectionError:
    """Nothing listens at ``url``."""
    return NoConnectionError(
        f"No reasoning model answers at {url}.",
        "Start the server there, or unset reasoner.url to use the embedded engine.",
    )


def broken(endpoint: Endpoint) -> ReasonerError:
    """The stream ended before the answer did."""
    if endpoint.embedded:
        return EngineError(
            "The embedded engine died in mid-answer.",
            "Ask again: it is started anew. If it dies again, memory may be short: "
            "set reasoner.context_tokens lower.",
        )
    return BrokenAnswerError(
        f"The connection to {endpoint.name} broke in mid-answer.",
        "Ask again; if it happens again, look into that server's log.",
    )


def thought_cut(tokens: int) -> ThoughtCutError:
    """No answer came within the tokens that there were."""
    return ThoughtCutError(
        f"The model was still thinking after {tokens} tokens: it did not come to an answer.",
        "Raise reasoner.max_thinking_tokens; it has at most half of the served model's context.",
    )


def _words(error: Exception, endpoint: Endpoint) -> str:
    """What the server said, on one line; some repeat the key."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    text = " ".join(str(said or error).split())
    return text.replace(endpoint.api_key, "(key)")[:300] if endpoint.api_key else text[:300]


def _status(code: int, words: str, endpoint: Endpoint) -> ReasonerError:
    if code in {401, 403}:
        return NotAllowedError(
            f"{endpoint.name} refuses the key.", "Set reasoner.api_key to one that it accepts."
        )
    if code == 404:
        served = ", ".join(endpoint.served) or "none that it lists"
        return NoSuchModelError(
            f"{endpoint.name} has no model '{endpoint.model}'.",
            f"Set reasoner.served_model to one it serves: {served}.",
        )
    if code in {200, 400, 413} and _OVERFLOW.search(words):
        return ContextOverflowError(
            f"{endpoint.name} says that the prompt is too long: {words}",
            "Lower the budget, or serve the model with a longer context.",
        )
    verb = "broke off" if code == 200 else f"answered {code}"
    return ReasonerError(
        f"{endpoint.name} {verb}: {words}", "Look into that server's log, or ask again."
    )
