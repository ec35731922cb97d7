"""A new run starts from another's averaged weights, and says what it did not take."""

from pathlib import Path

import pytest
import torch
from trained import SHAPES, config_of, diffusion_run

from darkroom.build import build
from darkroom.commands.initialise import initialise
from darkroom.commands.load import load_first_stage, load_generator
from darkroom.generation.denoising import Denoising
from darkroom.runs.checkpoint import checkpoint_path
from darkroom.runs.folder import Run

FRUIT, BOWL = ("Apple", "Banana", "Kiwi"), ("Kiwi", "Lemon", "Apple", "Plum")


def fresh(run: Run) -> Denoising:
    """The model that the config of ``run`` builds, untrained."""
    parts = {"network": build(run.config.network), "conditioner": build(run.config.conditioner)}
    return Denoising(**parts, first_stage=load_first_stage(run))


def started(new: Run, old: Run) -> Denoising:
    model = fresh(new)
    config = new.config.copy()
    config.init = str(old.path)
    initialise(model, config)
    return model


def trained(run: Run) -> dict[str, torch.Tensor]:
    return load_generator(run, load_first_stage(run)).model.state_dict()


def test_the_same_model_takes_every_weight(tmp_path, capsys):
    old, new = (diffusion_run(tmp_path / name, seed=seed) for name, seed in (("old", 1), ("new", 2)))
    model, there = started(new, old), trained(old)
    assert all(torch.equal(value, there[name]) for name, value in model.state_dict().items())
    assert capsys.readouterr().out == f"weights of {old.path}: {len(there)} tensors taken\n"


def test_the_averaged_weights_are_taken_and_not_the_last(tmp_path):
    old = diffusion_run(tmp_path / "old")
    path = checkpoint_path(old.checkpoints, 1)
    held = torch.load(path)
    average = {"network.patch_in.bias": torch.full((16,), 7.0)}
    torch.save({**held, "callbacks": {"EMA": {"weights": average, "step": 1}}}, path)
    assert torch.equal(started(old, old).network.patch_in.bias, average["network.patch_in.bias"])


def test_rows_of_classes_go_by_their_names(tmp_path, capsys):
    old = diffusion_run(tmp_path / "old", captions=None, classes=FRUIT)
    new = diffusion_run(tmp_path / "new", captions=None, classes=BOWL)
    model, there, start = started(new, old), trained(old), fresh(new)
    rows, theirs = model.conditioner.embedding.weight, there["conditioner.embedding.weight"]
    assert torch.equal(rows[[0, 2, 4]], theirs[[2, 0, 3]])  # Kiwi, Apple and no class
    assert torch.isclose(rows[[1, 3]].std(), start.conditioner.embedding.weight.std(), rtol=0.5)
    assert "starts anew, it is not there: conditioner.embedding.weight (2 of 5 rows)" in capsys.readouterr().out


def test_rows_of_words_go_by_their_words(tmp_path):
    old = diffusion_run(tmp_path / "old", captions=["a red circle", "a blue square"])
    new = diffusion_run(tmp_path / "new", captions=["a blue dog", "the red circle"])  # as many words, but others
    model = started(new, old)
    conditioner, theirs = build(old.config.conditioner), trained(old)["conditioner.tower.token_embedding.weight"]
    mine = model.conditioner.tower.token_embedding.weight
    assert len(mine) == len(theirs) + 1
    for word, known in {"a": True, "red": True, "blue": True, "circle": True, "dog": False}.items():
        here, there = (part._rows((word,), torch.device("cpu"))[0, 1] for part in (model.conditioner, conditioner))
        assert torch.equal(mine[here], theirs[there]) == known, word


def test_a_larger_network_keeps_what_fits_and_lists_the_rest_by_reason(tmp_path, capsys):
    old = diffusion_run(tmp_path / "old", "network.depth=2")
    new = diffusion_run(tmp_path / "new", captions=None, classes=FRUIT)
    started(new, old)
    said = capsys.readouterr().out.splitlines()
    reasons = {line.split(":")[0].strip(): line for line in said[1:]}
    assert set(reasons) == {
        "starts anew, it is not there",
        "starts anew, it has another shape there",
        "has no place here",
    }
    assert "conditioner.embedding.weight" in reasons["starts anew, it is not there"]
    assert "network.modulation.weight" in reasons["starts anew, it has another shape there"]
    assert "network.blocks.*.context.out.weight (2 x)" in reasons["has no place here"]
    assert len(said) == 4


def test_where_nothing_fits_it_is_an_error(tmp_path):
    old = diffusion_run(tmp_path / "old")
    config = config_of("shapes_autoencoder", *SHAPES, "autoencoder=kl_f8_small")
    config.init = str(old.path)
    with pytest.raises(ValueError, match="no weight of this run fits"):
        initialise(build(config.autoencoder), config)


def test_a_run_without_a_checkpoint_is_named(tmp_path: Path):
    old, new = diffusion_run(tmp_path / "old"), diffusion_run(tmp_path / "new")
    checkpoint_path(old.checkpoints, 1).unlink()
    with pytest.raises(FileNotFoundError, match=f"{old.path} has no whole checkpoint"):
        started(new, old)
