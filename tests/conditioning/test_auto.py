from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from darkroom.build import build
from darkroom.conditioning.auto import resolve
from darkroom.conditioning.class_label import ClassLabel
from darkroom.conditioning.merged import Merged
from darkroom.conditioning.null import NoCondition
from darkroom.conditioning.text import SmallText
from darkroom.contracts import Prompts

CONF = Path(__file__).parents[2] / "conf"
CAPTIONS = ["a red circle", "a blue square"]
CLASSES = ("apple", "pear")


def composed(option: str, *overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=[f"+conditioner={option}", *overrides]).conditioner


@pytest.mark.parametrize(
    ("captions", "classes", "made", "said"),
    [
        (CAPTIONS, CLASSES, SmallText, "text"),
        (CAPTIONS, None, SmallText, "text"),
        (["", ""], CLASSES, ClassLabel, "class_label, since the data has 2 classes"),
        (None, CLASSES, ClassLabel, "class_label"),
        (None, None, NoCondition, "none"),
    ],
)
def test_auto_takes_text_else_the_class_else_nothing_and_says_so(captions, classes, made, said):
    node, line = resolve(composed("auto"), captions, classes)
    assert isinstance(build(node), made)
    assert f"conditioner=auto takes {said}" in line


def test_a_resolved_node_survives_its_file_and_needs_no_data_any_more(tmp_path):
    node, _ = resolve(composed("auto", "conditioner.text.width=64", "conditioner.text.heads=2"), CAPTIONS, None)
    OmegaConf.save(OmegaConf.create(node), tmp_path / "config.yaml")
    read = OmegaConf.load(tmp_path / "config.yaml")
    conditioner = build(read)
    assert conditioner.spec.tokens == 64
    assert conditioner.unknown_words(CAPTIONS) == []
    assert resolve(read, ["other words"], None) == (node, None)


def test_named_conditioners_are_filled_from_the_data():
    assert resolve(composed("class_label"), None, CLASSES).node["num_classes"] == 2
    assert resolve(composed("class_label", "conditioner.num_classes=9"), None, CLASSES).node["num_classes"] == 9
    assert resolve(composed("none"), CAPTIONS, CLASSES) == (
        {"_target_": "darkroom.conditioning.null.NoCondition"},
        None,
    )
    assert (
        resolve(composed("text"), ["a red circle", "a circle"], None).node["context_length"] == 5
    )  # with start and end
    assert resolve(composed("text", "conditioner.context_length=9"), CAPTIONS, None).node["context_length"] == 9
    assert resolve(composed("text"), ["a circle " * 99], None).node["context_length"] == 77
    assert resolve(composed("clip", "conditioner.pretrained=null"), CAPTIONS, None).node["pretrained"] is None


@pytest.mark.parametrize(
    ("option", "captions", "classes"),
    [("text", None, CLASSES), ("text", ["", ""], None), ("clip", None, CLASSES), ("class_label", CAPTIONS, None)],
)
def test_a_named_conditioner_refuses_data_it_cannot_use(option, captions, classes):
    with pytest.raises(ValueError, match=f"conditioner={option} wants"):
        resolve(composed(option), captions, classes)


def test_fewer_classes_than_the_data_has_are_refused():
    with pytest.raises(ValueError, match=r"conditioner\.num_classes=1 is too few for the 2 classes"):
        resolve(composed("class_label", "conditioner.num_classes=1"), None, CLASSES)


def test_each_part_of_a_merged_conditioner_is_filled():
    node = {
        "_target_": "darkroom.conditioning.merged.Merged",
        "conditioners": [OmegaConf.to_container(composed(each)) for each in ("class_label", "text")],
    }
    conditioner = build(resolve(node, CAPTIONS, CLASSES).node)
    assert isinstance(conditioner, Merged)
    condition = conditioner(Prompts(label=torch.tensor([1, 0]), caption=tuple(CAPTIONS)))
    assert condition.vector.shape == (2, 192 + 128)  # a class, a caption
