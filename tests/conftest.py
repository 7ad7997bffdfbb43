"""What tests of all packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("longdoc", deadline=None)  # it would measure the machine, not the code
settings.load_profile("longdoc")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: ``LONGDOC_TEST_DATA``, else ``../shared/data`` beside the
    checkout. A test that needs it is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LONGDOC_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no data: set LONGDOC_TEST_DATA")
    return folder
