import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb, get_1d_rotary_pos_embed

from darkroom.keys import keys
from darkroom.networks.blocks.rope import rotate, rotation_2d

CPU = torch.device("cpu")


def vectors(n, width):
    return keys(seed=0, purpose="x", places=range(2)).normal((3, n, width))


def test_scores_depend_on_the_offset_alone():
    """One query and one key, put everywhere on a grid of 5 x 6: equal offsets, equal scores."""
    rotation = rotation_2d(5, 6, 16, CPU)
    query, key = (keys(seed=0, purpose=p, places=[0]).normal((1, 1, 16)).expand(1, 1, 30, 16) for p in "qk")
    scores = (rotate(query, rotation) @ rotate(key, rotation).transpose(-2, -1)).view(5, 6, 5, 6)
    by_offset = {}
    for r, c, s, d in torch.cartesian_prod(*map(torch.arange, scores.shape)).tolist():
        by_offset.setdefault((r - s, c - d), []).append(scores[r, c, s, d].item())
    assert all(max(same) - min(same) < 1e-5 for same in by_offset.values())
    means = [sum(same) / len(same) for same in by_offset.values()]
    assert len(means) == 9 * 11 and len({round(mean, 4) for mean in means}) > 90  # different offsets, different scores


def test_lengths_are_kept_and_the_first_token_is_not_turned():
    x = vectors(12, 8)
    turned = rotate(x, rotation_2d(3, 4, 8, CPU))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_rows_turn_the_first_half_and_columns_the_second():
    x = vectors(12, 8)
    turned = rotate(x, rotation_2d(3, 4, 8, CPU)).unflatten(2, (3, 4))
    x = x.unflatten(2, (3, 4))
    assert torch.equal(turned[:, :, 0, :, :4], x[:, :, 0, :, :4])  # row 0
    assert torch.equal(turned[:, :, :, 0, 4:], x[:, :, :, 0, 4:])  # column 0
    assert not torch.allclose(turned[:, :, 1, :, :4], x[:, :, 1, :, :4])
    assert not torch.allclose(turned[:, :, :, 1, 4:], x[:, :, :, 1, 4:])


def test_each_axis_is_the_rotary_embedding_of_diffusers():
    x = vectors(12, 16)
    row, column = torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")
    axes = zip(x.chunk(2, dim=-1), (row.flatten(), column.flatten()), strict=True)
    expected = [apply_rotary_emb(part, get_1d_rotary_pos_embed(8, place, use_real=True)) for part, place in axes]
    torch.testing.assert_close(rotate(x, rotation_2d(3, 4, 16, CPU)), torch.cat(expected, dim=-1))


def test_a_head_width_that_four_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="4 divides, not 6"):
        rotation_2d(2, 2, 6, CPU)
