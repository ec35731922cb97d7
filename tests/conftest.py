"""For all tests: nothing leaves this machine, and nothing is fetched."""

import gc
import os
from pathlib import Path

import composing
import pytest

# Before anything imports the libraries that read these; processes that tests start inherit them.
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # beside another one: more threads than cores wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"

gc.disable()  # until all is imported: see darkroom.commands.loading
composing.install()
TESTS = Path(__file__).parent
LONG = [TESTS / "test_docs.py", TESTS / "cli", TESTS / "experiments"]  # they start processes that import it all again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: one of two workers that began such a one last would leave the other idle."""
    items.sort(key=lambda item: not any(item.path.is_relative_to(each) for each in LONG))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
