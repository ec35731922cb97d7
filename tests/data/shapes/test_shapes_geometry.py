import pytest
import torch

from darkroom.data.shapes.geometry import AREA, EXTENT, SIGNED_DISTANCE, SINK
from darkroom.data.shapes.vocabulary import SHAPES

KINDS = range(len(SHAPES))
FINE = (torch.arange(1200, dtype=torch.float64) + 0.5) / 400 - 1.5  # 1200 points across [-1.5, 1.5]


def _inside(kind: int) -> torch.Tensor:
    return SIGNED_DISTANCE[kind](FINE[None, :], FINE[:, None]).expand(1200, 1200) < 0


@pytest.mark.parametrize("kind", KINDS, ids=SHAPES)
def test_the_area_is_the_closed_form(kind):
    assert _inside(kind).sum() / 400**2 == pytest.approx(AREA[kind].item(), rel=2e-3)


@pytest.mark.parametrize("kind", KINDS, ids=SHAPES)
def test_the_bounding_box_is_around_the_origin_and_as_large_as_said(kind):
    inside = _inside(kind)
    for line, half in ((FINE[inside.any(0)], EXTENT[kind, 0]), (FINE[inside.any(1)], EXTENT[kind, 1])):
        assert line.max() == pytest.approx(half.item(), abs=0.01)
        assert line.min() == pytest.approx(-half.item(), abs=0.01)


@pytest.mark.parametrize("kind", KINDS, ids=SHAPES)
def test_the_centre_of_mass_lies_as_far_down_as_said(kind):
    y, x = _inside(kind).nonzero(as_tuple=True)
    assert FINE[x].mean() == pytest.approx(0.0, abs=2e-3)
    assert FINE[y].mean() == pytest.approx(SINK[kind].item(), abs=2e-3)


@pytest.mark.parametrize("kind", KINDS, ids=SHAPES)
def test_distance_grows_by_one_per_step_away_from_an_edge(kind):
    grid = SIGNED_DISTANCE[kind](FINE[None, :], FINE[:, None])
    down, right = torch.gradient(grid, spacing=(FINE, FINE))
    near = grid.abs() < 0.05
    assert torch.hypot(down, right)[near].quantile(0.05) > 0.95
    assert torch.hypot(down, right)[near].quantile(0.95) < 1.05
