import torch
from diffusers.models.embeddings import Timesteps, get_2d_sincos_pos_embed

from darkroom.networks.blocks.embedding import TimeEmbedding, grid_sinusoid, sinusoid

CPU = torch.device("cpu")


def test_the_sinusoid_of_time_is_that_of_diffusers():
    time = torch.tensor([0.0, 0.37, 12.5, 999.0])
    reference = Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=0)(time)
    torch.testing.assert_close(sinusoid(time, 256), reference, rtol=0, atol=1e-4)  # angles to 999 in float32


def test_the_places_of_a_grid_are_those_of_diffusers():
    reference = get_2d_sincos_pos_embed(32, (4, 4), base_size=4, output_type="pt")
    torch.testing.assert_close(grid_sinusoid(4, 4, 32, CPU), reference.float().view(16, 32), rtol=0, atol=1e-6)


def test_the_first_half_of_a_place_tells_the_column_and_the_second_the_row():
    places = grid_sinusoid(3, 5, 16, CPU).view(3, 5, 16)
    assert torch.equal(places[0, :, :8], places[2, :, :8]) and torch.equal(places[:, 0, 8:], places[:, 4, 8:])
    assert len(places.view(15, 16).unique(dim=0)) == 15


def test_the_time_embedding_is_two_layers_over_the_sinusoid():
    module, time = TimeEmbedding(8, sinusoid_width=6), torch.tensor([0.0, 400.0])
    first, second = module.layers[0], module.layers[2]
    hidden = sinusoid(time, 6) @ first.weight.T + first.bias
    expected = hidden * hidden.sigmoid() @ second.weight.T + second.bias
    torch.testing.assert_close(module(time), expected)
