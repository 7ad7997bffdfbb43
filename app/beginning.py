"""What a run of the graph starts with: the question, and how much may be read and sent."""

from __future__ import annotations

from agent import Notes, State
from agent.memory import MemoryState, sizes
from agent.reading import REPLY_TOKENS
from app.questions import Question
from app.settings import LEAST_BUDGET, Settings
from documents.errors import QuestionError
from policy import Reasoner

PROMPT_TOKENS = 400
"""Room for the instructions around the context."""


def begin(question: Question, notes: Notes, settings: Settings, reasoner: Reasoner) -> State:
    """The state that the graph starts with. Raises `QuestionError` where evidence or memory has no
    room."""
    state: State = {
        "question": notes.put(question.text),
        "looking_for": notes.put(question.looking_for) if question.looking_for else "",
        "granularity": question.granularity,
        "strategy": question.strategy,
        "budget": _budget(question, settings, reasoner),
        "documents": list(question.documents),
    }
    if question.mode != "memory":
        return state
    reply = max(REPLY_TOKENS, settings.reasoner.max_answer_tokens) + reasoner.thinking_tokens
    room = reasoner.context_tokens - PROMPT_TOKENS - reply - reasoner.count(question.text)
    chunk, memory = sizes(room, state["budget"], settings.chunk_tokens, settings.memory_tokens)
    return state | MemoryState(chunk_tokens=chunk, memory_tokens=memory)


def _budget(question: Question, settings: Settings, reasoner: Reasoner) -> int:
    """Never more than the reasoner can take beside prompt, question and answer. Raises
    `QuestionError` where that is next to nothing: without evidence every answer would be that the
    documents do not hold it."""
    reply = settings.reasoner.max_answer_tokens + reasoner.thinking_tokens
    taken = PROMPT_TOKENS + reply
    most = reasoner.context_tokens - taken - reasoner.count(question.text)
    wanted = question.budget or (most if question.strategy == "full" else settings.budget)
    if most < LEAST_BUDGET:
        raise QuestionError(
            f"A context of {reasoner.context_tokens} tokens has no room for evidence beside an "
            f"answer of {reply}.",
            "Raise reasoner.context_tokens, or lower reasoner.max_answer_tokens.",
        )
    if wanted < LEAST_BUDGET:
        raise QuestionError(
            f"A budget of {wanted} tokens holds no evidence.", f"Give {LEAST_BUDGET} or more."
        )
    return min(wanted, most)
