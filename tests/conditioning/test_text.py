import copy
import pickle

import pytest
import torch
from open_clip.transformer import TextTransformer

from darkroom.conditioning import tokens
from darkroom.conditioning.text import SmallText
from darkroom.contracts import ConditionSpec, Prompts

CAPTIONS = ("a red circle above a small blue square", "a green square", "two circles!")
CONTEXT = 12


def small_text() -> SmallText:
    return SmallText(tokens.ids_in(CAPTIONS), width=32, layers=2, heads=2, context_length=CONTEXT)


class WithNeighbours(torch.nn.Module):
    """Each word's row plus the products of the five around it with the five matrices of a convolution."""

    def __init__(self, rows: torch.Tensor, convolution: torch.nn.Conv1d):
        super().__init__()
        self.rows, self.convolution = rows, convolution

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        words = self.rows[ids]
        padded = torch.nn.functional.pad(words, (0, 0, 2, 2))
        added = sum(padded[:, k : k + ids.shape[1]] @ self.convolution.weight[:, :, k].T for k in range(5))
        return words + added + self.convolution.bias


def test_the_condition_is_what_open_clips_tower_makes_of_words_and_their_neighbours():
    conditioner = small_text()
    whole = TextTransformer(
        context_length=CONTEXT, width=32, layers=2, heads=2, output_dim=32, output_tokens=True
    )  # 49,408 rows
    words = conditioner.tower.token_embedding
    rows = torch.full((tokens.NUM_IDS, 32), torch.nan)
    rows[tokens.ids_in(CAPTIONS)] = words.weight.detach()[1:]
    whole.token_embedding = WithNeighbours(rows, words.neighbours)
    whole.load_state_dict(
        {k: v for k, v in conditioner.tower.state_dict().items() if k != "token_embedding.weight"}, strict=False
    )

    condition = conditioner(Prompts(caption=CAPTIONS))
    pooled, states = whole(tokens.token_ids(CAPTIONS, CONTEXT))
    torch.testing.assert_close(condition.vector, pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(condition.tokens, states, atol=1e-5, rtol=1e-5)
    assert condition.mask.sum(dim=1).tolist() == [10, 5, 5]
    assert conditioner.spec == ConditionSpec(tokens=32, vector=32)


def test_a_dropped_row_is_the_empty_caption_and_the_others_stay():
    conditioner = small_text()
    condition = conditioner(Prompts(caption=CAPTIONS), drop=torch.tensor([False, True, False]))
    expected = conditioner(Prompts(caption=(CAPTIONS[0], "", CAPTIONS[2])))
    full = conditioner(Prompts(caption=CAPTIONS))
    for field in ("tokens", "mask", "vector"):
        assert torch.equal(getattr(condition, field), getattr(expected, field))
        assert torch.equal(getattr(condition, field)[[0, 2]], getattr(full, field)[[0, 2]])
    assert condition.mask[1].sum() == 2  # start and end


def test_only_rows_that_the_batch_holds_get_a_gradient():
    conditioner = small_text()
    condition = conditioner(Prompts(caption=(CAPTIONS[1],)))
    (condition.tokens.square().sum() + condition.vector.square().sum()).backward()
    moved = conditioner.tower.token_embedding.weight.grad.any(dim=1).nonzero().flatten()
    used = conditioner.vocabulary.rows(tokens.token_ids((CAPTIONS[1],), CONTEXT)).unique()
    assert torch.equal(moved, used)


def test_an_unknown_word_keeps_its_place_and_says_nothing():
    conditioner = small_text()
    one, other = (conditioner(Prompts(caption=(f"a {word} square",))).tokens for word in ("huge", "tiny"))
    assert torch.equal(one, other)
    assert conditioner.unknown_words(["a huge square"]) == ["huge"]
    assert conditioner.truncated(["a red circle"]) == []


def test_weights_and_arguments_alone_rebuild_it():
    conditioner, other = small_text(), small_text()
    other.load_state_dict(conditioner.state_dict())
    expected = conditioner(Prompts(caption=CAPTIONS)).vector
    assert torch.equal(other(Prompts(caption=CAPTIONS)).vector, expected)
    for copied in (copy.deepcopy(conditioner), pickle.loads(pickle.dumps(conditioner))):
        assert torch.equal(copied(Prompts(caption=CAPTIONS)).vector, expected)
    assert all(key.startswith("tower.") for key in conditioner.state_dict())


def test_it_has_as_many_rows_as_its_captions_have_words():
    # padding, start, end; a, red, circle, circles, above, small, blue, square, green, two, !; and the unknown
    assert small_text().tower.token_embedding.weight.shape == (15, 32)


def test_it_can_be_counted_without_memory():
    with torch.device("meta"):
        counted = small_text()
    assert sum(p.numel() for p in counted.parameters()) == sum(p.numel() for p in small_text().parameters())


def test_prompts_without_captions_are_refused():
    with pytest.raises(ValueError, match="wants a caption"):
        small_text()(Prompts(label=torch.tensor([1])))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"heads": 3}, "conditioner.heads=3"), ({"context_length": 2}, "conditioner.context_length=2")],
)
def test_a_wrong_size_is_named(change, named):
    sizes = {"width": 32, "layers": 1, "heads": 2, "context_length": 8} | change
    with pytest.raises(ValueError, match=named):
        SmallText(tokens.ids_in(CAPTIONS), **sizes)
