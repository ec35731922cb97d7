import pytest
import torch

from darkroom.conditioning.class_label import ClassLabel
from darkroom.conditioning.facts import Facts
from darkroom.conditioning.words import class_names, in_words
from darkroom.contracts import Prompts


def test_the_vector_is_the_row_of_the_label_and_a_dropped_row_is_the_last():
    conditioner = ClassLabel(num_classes=5, width=8)
    labels = torch.tensor([0, 4, 2])
    condition = conditioner(Prompts(label=labels), drop=torch.tensor([False, True, False]))
    assert torch.equal(condition.vector, conditioner.embedding.weight[[0, 5, 2]])
    assert condition.tokens is None
    assert conditioner.spec.vector == 8


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_out_of_range_is_named_with_the_range(label):
    with pytest.raises(ValueError, match=rf"label={label} .* 0 to 4"):
        ClassLabel(num_classes=5, width=8)(Prompts(label=torch.tensor([0, label])))


def test_prompts_without_labels_are_refused():
    with pytest.raises(ValueError, match="wants a label"):
        ClassLabel(num_classes=5, width=8)(Prompts(caption=("a",)))


def test_only_the_rows_of_the_batch_get_a_gradient():
    conditioner = ClassLabel(num_classes=5, width=8)
    conditioner(Prompts(label=torch.tensor([1, 3, 3]))).vector.sum().backward()
    assert conditioner.embedding.weight.grad.sum(dim=1).tolist() == [0, 8, 0, 16, 0, 0]


def test_names_and_number_are_read_from_the_data_and_kept():
    facts = Facts(classes=("Apple", "Banana"))
    arguments = ClassLabel.completed({"width": 8}, facts)
    assert arguments == {"width": 8, "num_classes": 2, "names": ["Apple", "Banana"]}
    assert ClassLabel.completed(arguments, facts) == arguments
    assert class_names(torch.nn.ModuleList([torch.nn.ReLU(), ClassLabel(**arguments)])) == ("Apple", "Banana")


def test_other_classes_than_those_that_were_learnt_are_refused():
    arguments = {"width": 8, "num_classes": 2, "names": ["Apple", "Banana"]}
    with pytest.raises(ValueError, match="names are Apple, Banana, but the data has the classes Apple, Kiwi"):
        ClassLabel.completed(arguments, Facts(classes=("Apple", "Kiwi")))
    with pytest.raises(ValueError, match="3 names for conditioner"):
        ClassLabel(2, 8, names=["a", "b", "c"])


def test_a_condition_in_words_is_its_caption_else_its_class():
    label = torch.tensor([1, 0, 2])
    assert in_words(Prompts(label=label), ("Apple", "Banana")) == ["Banana", "Apple", "class 2"]
    assert in_words(Prompts(label=label[:1], caption=("a ripe one",)), ("Apple", "Banana")) == ["a ripe one"]
    assert in_words(Prompts()) is None


def test_every_row_has_a_meaning():
    conditioner = ClassLabel(3, 8, names=["Apple", "Banana"])
    assert conditioner.row_meanings == {"embedding.weight": ["Apple", "Banana", "class 2", None]}
    assert len(conditioner.embedding.weight) == 4
