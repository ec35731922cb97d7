import pytest
import torch

from darkroom.conditioning.class_label import ClassLabel
from darkroom.conditioning.merged import Merged
from darkroom.conditioning.null import NoCondition
from darkroom.conditioning.text import SmallText
from darkroom.conditioning.tokens import ids_in
from darkroom.contracts import Condition, ConditionSpec, Prompts

CAPTIONS = ("a red circle", "a square")


def small_text(width: int, context_length: int) -> SmallText:
    return SmallText(ids_in(CAPTIONS), width=width, layers=1, heads=1, context_length=context_length)


def test_vectors_stand_beside_and_tokens_behind_each_other():
    first, second, label = small_text(8, 6), small_text(12, 5), ClassLabel(3, width=4)
    merged = Merged([first, NoCondition(), second, label])
    prompts = Prompts(label=torch.tensor([2, 0]), caption=CAPTIONS)
    drop = torch.tensor([False, True])
    condition = merged(prompts, drop)
    one, two, three = first(prompts, drop), second(prompts, drop), label(prompts, drop)
    assert merged.spec == ConditionSpec(tokens=12, vector=24)
    assert torch.equal(condition.vector, torch.cat([one.vector, two.vector, three.vector], dim=1))
    assert torch.equal(condition.tokens[:, :6, :8], one.tokens)
    assert not condition.tokens[:, :6, 8:].any()
    assert torch.equal(condition.tokens[:, 6:], two.tokens)
    assert torch.equal(condition.mask, torch.cat([one.mask, two.mask], dim=1))


def test_nothing_merged_with_nothing_is_nothing():
    assert Merged([NoCondition(), NoCondition()])(Prompts()) == Condition()
    assert NoCondition().spec == ConditionSpec()


def test_each_part_says_what_it_misses():
    with pytest.raises(ValueError, match="wants a caption"):
        Merged([ClassLabel(3, width=4), small_text(8, 6)])(Prompts(label=torch.tensor([0])))
