"""A finished run as Markdown: what was asked, what came out, and where every quote stands."""

from __future__ import annotations

import re
from typing import Any

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_LEADING = re.compile(r"^(\d+(?=[.)])|(?=[-+=]))")
_VERDICTS = {
    "answered": "answered",
    "partly": "partly supported",
    "not_in_documents": "not in the documents",
}


def markdown(record: dict[str, Any]) -> str:
    """The record of `app.present.run_json` as a page of Markdown. Words of documents and of the
    model are escaped: they are shown as they stand, and no image in them is loaded."""
    parts = [f"# {_plain(record['question'])}", _head(record)]
    if "verdict" in record:
        parts += ["## Answer", _lines(record["answer"]), f"Verdict: {_VERDICTS[record['verdict']]}"]
        if record["citations"]:
            parts += ["## Quotes", *(_quote(citation) for citation in record["citations"])]
    if "memory" in record:
        parts += ["## Memory", *(_remembered(line) for line in record["memory"]["lines"])]
    parts.append("## Evidence")
    parts += [_evidence(e) for e in record["context"]["evidence"]] or ["None."]
    return "\n\n".join([*parts, "## Record", _table(record)]) + "\n"


def _head(record: dict[str, Any]) -> str:
    names = ", ".join(_plain(document["name"]) for document in record["documents"])
    turns = ", read in turns" if record.get("mode") == "memory" else ""
    typed = record.get("follow_up")
    rewritten = f" It was typed as “{_plain(typed)}”." if typed else ""
    return f"Asked of {names} by {record['strategy']}{turns}.{rewritten}"


def _quote(citation: dict[str, Any]) -> str:
    mark = "verified" if citation["verified"] else "not verified"
    if citation["by"] == "longdoc":
        mark += ", found by longdoc"
    return f"\\[{citation['n']}\\] {_where(citation)} ({mark})\n\n> {_plain(citation['quote'])}"


def _remembered(line: dict[str, Any]) -> str:
    where = "; ".join(_where(source) for source in line["sources"])
    return f"- {_plain(line['text'])} ({where})"


def _evidence(evidence: dict[str, Any]) -> str:
    score = f"score {evidence['score']:.3f}"
    return f"\\[{evidence['n']}\\] {_where(evidence)} ({score})\n\n> {_plain(evidence['text'])}"


def _where(place: dict[str, Any]) -> str:
    pages = place["pages"]
    name = _plain(place["name"])
    if not pages:
        return name
    return f"{name}, page{'s' if len(pages) > 1 else ''} {', '.join(str(page) for page in pages)}"


def _table(record: dict[str, Any]) -> str:
    context = record["context"]
    rows = [
        ("run", record["run"]),
        ("model", record.get("model", "")),
        ("settings hash", record["settings_hash"]),
        ("budget", f"{record['budget']:,} tokens"),
        ("tokens read", f"{context['source_tokens']:,}"),
        ("tokens sent", f"{context['tokens']:,}"),
        ("left out", context["left_out"]),
        ("searched for", "; ".join(_searched(record))),
        *(
            (name.removesuffix("_s").replace("_", " "), f"{seconds:.1f} s")
            for name, seconds in record["timings"].items()
        ),
    ]
    shown = [f"| {name} | {_plain(value)} |" for name, value in rows if value]
    return "\n".join(["| what | value |", "|---|---|", *shown])


def _searched(record: dict[str, Any]) -> list[str]:
    """What was looked for beside the question itself; nothing where all was read in turns."""
    if "plan" not in record:
        return []
    subs = [sub["text"] for sub in record["plan"]["sub_questions"]]
    texts = dict.fromkeys([*subs, *record["follow_ups"]])
    return [text for text in texts if text != record["question"]]


def _plain(text: str) -> str:
    """Text on one line, in which nothing is Markdown."""
    escaped = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _LEADING.sub(r"\1\\", escaped)  # else the line might begin a list


def _lines(text: str) -> str:
    """Text of the model: its lines stay."""
    return "\n".join(_plain(line) for line in text.splitlines())
