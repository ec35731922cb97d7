"""Every extractor that wants a file of weights says, where it gets none, which file and where to fetch it."""

from pathlib import Path

import pytest

from darkroom.commands.checking.check import check

CONF = Path(__file__).resolve().parents[3] / "conf"
WANTING = sorted(path.stem for path in (CONF / "extractor").glob("*.yaml") if "weights: ???" in path.read_text())


@pytest.mark.parametrize("name", WANTING)
@pytest.mark.parametrize(
    ("given", "begin"), [([], "extractor.weights is not set"), (["nowhere"], "extractor.weights=")]
)
def test_a_missing_file_of_weights_is_told_with_its_address(name, given, begin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["generated=.", "reference=.", f"extractor={name}", *(f"extractor.weights={each}" for each in given)]
    [fault] = check("evaluate", argv, CONF)
    assert fault.startswith(begin)
    assert "https://" in fault and "\n" not in fault
