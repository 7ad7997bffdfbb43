"""No library longdoc uses may report anything about a person, unless that person says so."""

from __future__ import annotations

import os

QUIET = {
    "ANONYMIZED_TELEMETRY": "False",  # chroma
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_OFFLINE": "1",  # transformers: read what is on disk, look nothing up
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


def no_telemetry() -> None:
    """Turn reporting off in every dependency. What a person has set is left as it is.

    To be called before those libraries are imported: most read the environment only then.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
