import pytest
import torch

from darkroom.conditioning.class_label import ClassLabel
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
