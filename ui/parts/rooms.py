"""What all visitors of the page share."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.service import Service
from app.settings import load_settings
from app.uploads import Uploads


def _open_service() -> tuple[Service, Uploads]:
    service = Service(load_settings())
    return service, Uploads(service.store, service.ready)


open_service: Any = st.cache_resource(_open_service, show_spinner="Opening the library…")
"""One service for the process: every browser shares its library and its models."""
