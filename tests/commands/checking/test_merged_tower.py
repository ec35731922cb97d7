"""A file of a text tower that is one of a run's merged conditioners, where it lies now."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from darkroom.commands.checking.argv import read
from darkroom.commands.checking.compose import composed
from darkroom.commands.checking.folders import tower_faults
from darkroom.commands.checking.resume import hydra_overrides, kept_overrides, run_space
from darkroom.commands.checking.trained import _of_tower, moved

CONF = Path(__file__).resolve().parents[3] / "conf"
TOWER = {"_target_": "darkroom.conditioning.pretrained_text.PretrainedText", "pretrained": "gone.pt"}
CLASSES = {"_target_": "darkroom.conditioning.class_label.ClassLabel", "num_classes": 3}
OWN = "conditioner.conditioners.1.pretrained"


def merged(*parts):
    return {"_target_": "darkroom.conditioning.merged.Merged", "conditioners": list(parts)}


def faults(conditioner, tower=None):
    asked = OmegaConf.create({"run": "RUN", "conditioner": {"pretrained": tower}})
    return list(_of_tower(asked, OmegaConf.create({"conditioner": conditioner})))


def test_the_only_one_is_told_of_by_its_key_and_moved_by_the_commands(tmp_path):
    (tmp_path / "here.pt").touch()
    gone = f"{OWN}=gone.pt: there is no such file; give %s=PATH where it lies"
    [fault] = tower_faults(OmegaConf.create(merged(CLASSES, TOWER)))
    assert fault.startswith(gone % OWN)  # a new training, and one that goes on
    [fault] = faults(merged(CLASSES, TOWER))
    assert fault.startswith(gone % "conditioner.pretrained")  # which sample.py and evaluate.py have
    here = str(tmp_path / "here.pt")
    assert faults(merged(CLASSES, TOWER), here) == []
    node = moved(OmegaConf.create(merged(CLASSES, TOWER)), here)
    assert node == merged(CLASSES, {**TOWER, "pretrained": here})


@pytest.mark.parametrize(
    ("conditioner", "words"),
    [(merged(TOWER, TOWER), "has text towers of 2 files; correct"), (merged(CLASSES), "has no text tower of a file")],
)
def test_several_and_none_are_told_as_such(conditioner, words):
    [fault] = faults(conditioner, "x.pt")
    assert fault.startswith("conditioner.pretrained=x.pt: run=RUN ")
    assert words in fault


def test_a_run_goes_on_with_it_where_it_lies_now(tmp_path):
    node = merged(CLASSES, TOWER)
    config = {"conditioner": node, "stage": {"conditioner": node}, "logs": "logs", "run_id": "x", "resume": None}
    OmegaConf.save(OmegaConf.create(config), tmp_path / "config.yaml")
    arguments = read([f"resume={tmp_path}", f"{OWN}=/here.pt"])
    overrides = [*hydra_overrides(str(tmp_path), CONF), *kept_overrides(arguments)]
    found = composed(run_space(str(tmp_path)), overrides).config
    assert found.conditioner == found.stage.conditioner == merged(CLASSES, {**TOWER, "pretrained": "/here.pt"})
