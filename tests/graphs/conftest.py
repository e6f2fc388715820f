"""What the flows of the gallery make, they make in a folder of the test."""

from pathlib import Path

import pytest

from tests.graphs.cases import FOLDERS


@pytest.fixture(autouse=True)
def _kept_in_a_folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in FOLDERS:
        monkeypatch.setattr(module, name, tmp_path / f"{module.__name__.rpartition('.')[2]}-{name.lower()}")
