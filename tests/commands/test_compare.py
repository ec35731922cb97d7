import json
from pathlib import Path

import numpy as np
import pytest
import torch

from darkroom.commands import evaluate
from darkroom.commands.by_picture import beside, save_by_picture
from darkroom.commands.compare import numbers
from darkroom.commands.reconstructions import over_pictures
from darkroom.files import write_json
from darkroom.metrics.protocol import measured

ROOT = Path(__file__).resolve().parents[2]


def written(folder, name, **found):
    (folder / name).write_text(json.dumps(found))
    return str(folder / name)


def fd(value, size=224, m=500):
    return measured(value, {"metric": {"name": "frechet"}, "m": m, "extractor": {"name": "x", "size": size}})


def compare(*paths):
    return evaluate.main([f"compare=[{','.join(paths)}]"], ROOT / "conf")


def test_numbers_that_were_made_alike_stand_side_by_side(tmp_path, capsys):
    a, b = (written(tmp_path, f"{name}.json", fd_x=fd(value)) for name, value in (("a", 12.5), ("b", 10.25)))
    assert compare(a, b) == 0
    [row] = [line.split() for line in capsys.readouterr().out.splitlines() if "fd_x" in line]
    assert row == ["fd_x", "12.5", "10.25", "-2.25"]


def test_names_with_brackets_and_colons_are_shown_as_they_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a[").mkdir()
    paths = [written(Path("a["), "b].json", fd_x=fd(1.0)), written(Path(), "[old] :cat:.json", fd_x=fd(2.0))]
    assert evaluate.main([f"compare={paths}"], ROOT / "conf") == 0
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading.split("  ")[1:3] == paths


def test_numbers_of_different_protocols_are_refused_and_the_fields_named(tmp_path, capsys):
    a = written(tmp_path, "a.json", fd_x=fd(12.5), kid_x=fd(1.0))
    b = written(tmp_path, "b.json", fd_x=fd(10.0, size=96, m=400), kid_x=fd(2.0))
    assert compare(a, b) == 2
    said = capsys.readouterr()
    assert said.err == "fd_x: not to be compared, m: 500 and 400; extractor.size: 224 and 96\n"
    assert "kid_x" in said.out and "fd_x" not in said.out


def test_runs_are_compared_for_what_differs_in_them(tmp_path, capsys):
    runs = [
        {"metrics": {"val_psnr": measured(psnr, {"data": data}, sd=0.3)}, "made": {"run": run, "num_steps": steps}}
        for psnr, data, run, steps in ((30.0, "x", "one", 20), (31.0, "x", "two", 50), (32.0, "y", "two", 50))
    ]
    paths = [written(tmp_path, f"{i}.json", **run) for i, run in enumerate(runs)]
    assert compare(paths[0], paths[1]) == 0
    said = capsys.readouterr().out
    assert "made differently: num_steps: 20 and 50" in said
    assert "0.42" in said  # of the difference
    assert compare(paths[0], paths[2]) == 2
    assert "val_psnr: not to be compared, data: x and y" in capsys.readouterr().err
    assert numbers(tmp_path / "0.json")["val_psnr"].value == 30.0


def test_the_difference_of_two_shares_has_an_error_by_their_intervals(tmp_path):
    path = written(tmp_path, "a.json", share=measured(0.5, {}, interval=[0.402, 0.598]))
    assert numbers(Path(path))["share"].sd == pytest.approx(0.05)


def psnrs(folder, name, values):
    """An evaluation, with what it measured of each picture beside it."""
    finite = values[np.isfinite(values)]
    psnr = measured(finite.mean(), {}, sd=finite.std(ddof=1) / len(finite) ** 0.5)
    path = written(folder, f"{name}.json", val_psnr=psnr)
    save_by_picture(beside(Path(path)), {"val_psnr": values})
    return path


def row_of(said, name):
    return next(line for line in said.splitlines() if line.split()[:1] == [name])


def test_what_two_runs_make_of_the_same_pictures_is_held_together_picture_by_picture(tmp_path, capsys):
    easy = np.random.default_rng(0).normal(30, 4, 50)
    better = easy + np.where(np.arange(50) < 25, 0.2, 0.4)  # the mean is off by 0.1 / 7, beside 4 / 7 of either alone
    a, b = psnrs(tmp_path, "a", easy), psnrs(tmp_path, "b", better)
    assert compare(a, b) == 0
    assert row_of(capsys.readouterr().out, "val_psnr").split()[3:] == ["+0.3", "0.014", "paired"]


@pytest.mark.parametrize("other", ["of fewer pictures", "missing", "with another picture that came back whole"])
def test_where_pictures_are_not_the_same_the_numbers_count_as_independent(tmp_path, capsys, other):
    values = np.random.default_rng(0).normal(30, 4, 50)
    changed = values[:40].copy() if other == "of fewer pictures" else values.copy()
    if other.startswith("with"):
        changed[3] = np.inf
    a, b = psnrs(tmp_path, "a", values), psnrs(tmp_path, "b", changed)
    if other == "missing":
        beside(Path(b)).unlink()
    assert compare(a, b) == 0
    assert row_of(capsys.readouterr().out, "val_psnr").split()[-1] == "independent"


def test_a_number_that_is_not_finite_is_null_in_a_file_that_any_reader_of_json_takes(tmp_path, capsys):
    protocol = {"metric": {"name": "psnr"}}
    whole = over_pictures("val_psnr", torch.full((3,), torch.inf), protocol)  # each came back without any error
    write_json(tmp_path / "a.json", {"metrics": whole, "made": {}})
    found = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)["metrics"]
    assert [(each["value"], each["identical"]) for each in found.values()] == [(None, 3), (None, 3)]
    other = over_pictures("val_psnr", torch.tensor([30.0, 31.0]), protocol)
    write_json(tmp_path / "b.json", {"metrics": other, "made": {}})
    assert compare(str(tmp_path / "a.json"), str(tmp_path / "b.json")) == 0
    assert row_of(capsys.readouterr().out, "val_psnr").split()[1:] == ["nan", "30.5", "+nan"]


@pytest.mark.parametrize("damage", ["cut", "overwritten", "another"])
def test_damaged_numbers_of_pictures_are_named(tmp_path, capsys, damage):
    a, b = (psnrs(tmp_path, name, np.arange(3.0)) for name in "ab")
    path = beside(Path(b))
    content = path.read_bytes()
    if damage == "another":
        np.savez(path, psnr=np.arange(3.0))
    else:
        path.write_bytes(content[:100] if damage == "cut" else b"\0" * 100 + content[100:])
    assert compare(a, b) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "b_pictures.npz" in line and "move it away" in line


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"metrics": 3}', '{"search": {}, "winner": {}, "made": {}}'])
def test_a_file_of_something_else_is_named(tmp_path, capsys, text):
    (tmp_path / "a.json").write_text(text)
    b = written(tmp_path, "b.json", fd_x=fd(1.0))
    assert compare(str(tmp_path / "a.json"), b) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "a.json is not an evaluation" in line
    assert "evaluation.json of runs" in line and "a sweep or a probe" in line


def test_two_files_without_a_common_number_are_told_so(tmp_path, capsys):
    a, b = written(tmp_path, "a.json", fd_x=fd(1.0)), written(tmp_path, "b.json", kid_x=fd(1.0))
    assert compare(a, b) == 2
    assert "no number in common" in capsys.readouterr().err
