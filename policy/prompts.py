"""What the reasoner is told. The layout is QwenLong-L1's: instruction, text, question, format."""

from __future__ import annotations

from policy.values import Message

INSTRUCTION = (
    "Read the numbered evidence below, taken word for word from documents, and answer the "
    "question that follows it. Use nothing but this evidence."
)

FORMAT = (
    "Answer in one or two short sentences. Copy figures, dates and names exactly as they are "
    "written, and put the number of the evidence in brackets after each claim, such as [1]. "
    "If the evidence does not state what is asked, do not guess: say that it is not in the "
    "documents. End with this line, with the number of the evidence that says so:\n"
    "Therefore, the answer is (insert answer here) [number]."
)


def answer_messages(question: str, context_text: str) -> list[Message]:
    """The chat that asks ``question`` over evidence that is numbered ``[1] …`` already."""
    text = context_text.strip()
    content = f"{INSTRUCTION}\n\n<text>\n{text}\n</text>\n\n{question.strip()}\n\n{FORMAT}"
    return [{"role": "user", "content": content}]
