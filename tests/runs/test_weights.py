import pytest
import torch
from torch import nn

from darkroom.runs.weights import take_weights, trained_weights


def test_what_fits_by_name_and_shape_is_copied_and_the_rest_is_told_by_reason():
    model = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = {"a.weight": torch.ones(3, 2), "a.bias": torch.ones(4), "c.weight": torch.ones(1)}
    taken = take_weights(model, weights)
    after = model.state_dict()
    assert [name for name in after if not torch.equal(after[name], before[name])] == ["a.weight"]
    assert taken.whole == 1
    assert taken.lines() == [
        "starts anew, it has another shape there: a.bias",
        "starts anew, it is not there: b.*.bias (2 x), b.*.weight (2 x)",
        "has no place here: c.weight",
    ]


def test_rows_with_a_meaning_go_to_the_row_that_means_the_same():
    model = nn.ModuleDict({"words": nn.Embedding(3, 2)})
    weights = {"words.weight": torch.tensor([[1.0, 1], [2, 2], [3, 3], [4, 4]])}
    here, there = {"words.weight": ["cat", "cow", None]}, {"words.weight": ["dog", "cat", "ant", None]}
    before = model["words"].weight.detach().clone()
    taken = take_weights(model, weights, here=here, there=there)
    rows = model["words"].weight.detach()
    assert torch.equal(rows[[0, 2]], weights["words.weight"][[1, 3]])
    assert torch.equal(rows[1], before[1])
    assert (taken.whole, taken.lines()) == (0, ["starts anew, it is not there: words.weight (1 of 3 rows)"])


def test_rows_without_a_known_meaning_there_are_not_taken():
    model = nn.ModuleDict({"words": nn.Embedding(2, 2)})
    before = model["words"].weight.detach().clone()
    take_weights(model, {"words.weight": torch.ones(2, 2)}, here={"words.weight": ["cat", None]}, there={})
    assert torch.equal(model["words"].weight, before)


def test_weights_are_not_used_with_another_first_stage_than_they_were_trained_on(tmp_path):
    path = tmp_path / "step-00000001.ckpt"
    held = {"model.a": torch.zeros(1)}
    torch.save({"state_dict": held, "callbacks": {}, "first_stage_hash": "a" * 64}, path)
    assert list(trained_weights(path, first_stage="a" * 64)) == ["a"]
    assert list(trained_weights(path)) == ["a"]
    with pytest.raises(ValueError, match=r"trained on the first stage aaaaaaaaaaaa, .* holds bbbbbbbbbbbb"):
        trained_weights(path, first_stage="b" * 64)
