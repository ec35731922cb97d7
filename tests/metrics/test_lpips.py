import hashlib
import os
from pathlib import Path

import lpips
import pytest
import torch
import yaml
from pairs import blurred, noisy, tensor
from PIL import Image
from safetensors.torch import save_file

from darkroom.build import build
from darkroom.contracts import to_float
from darkroom.keys import keys
from darkroom.metrics.lpips import LPIPS, MICRO_BATCH

CONFIGS = Path(__file__).parents[2] / "conf" / "perceptual"
LINEAR = Path(lpips.__file__).parent / "weights" / "v0.1"
PICTURE, OTHER = (
    keys(seed=seed, purpose="pictures", places=range(3)).integers(256, (3, 64, 48)).to(torch.uint8) for seed in (0, 1)
)


def package(net: str) -> lpips.LPIPS:
    """The package's, on a trunk of random weights."""
    torch.manual_seed(0)
    return lpips.LPIPS(net=net, pnet_rand=True, verbose=False)


def trunk_of(theirs: lpips.LPIPS) -> dict[str, torch.Tensor]:
    """Under torchvision's names: the package cuts ``features`` into slices, whose layers keep their numbers."""
    return {f"features.{name.split('.', 1)[1]}": value for name, value in theirs.net.state_dict().items()}


def ours(net: str, weights: Path, linear: Path) -> LPIPS:
    """As its config has it."""
    config = yaml.safe_load((CONFIGS / f"lpips_{net}.yaml").read_text())
    return build(config | {"weights": str(weights), "linear": str(linear)})


@pytest.fixture(scope="module")
def squeeze(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "squeeze.safetensors"
    theirs = package("squeeze")
    save_file(trunk_of(theirs), path)
    return ours("squeeze", path, LINEAR / "squeeze.pth"), theirs, path


@pytest.mark.parametrize("net", ["squeeze", "alex", "vgg"])
def test_distances_are_the_packages_for_the_same_weights(net, tmp_path):
    theirs = package(net)
    path = tmp_path / "trunk.pth"
    torch.save(trunk_of(theirs), path)
    own = ours(net, path, LINEAR / f"{net}.pth")
    with torch.no_grad():
        expected = theirs(to_float(PICTURE), to_float(OTHER)).flatten()
    assert expected.min() > 1e-3  # so that the comparison is of something
    torch.testing.assert_close(own(PICTURE, OTHER), expected, rtol=1e-5, atol=1e-6)


def test_it_is_symmetric_and_0_for_equal_pictures(squeeze):
    own = squeeze[0]
    torch.testing.assert_close(own(PICTURE, OTHER), own(OTHER, PICTURE), rtol=1e-5, atol=0)
    assert torch.equal(own(PICTURE, PICTURE), torch.zeros(3))


def test_a_pairs_distance_is_the_same_to_the_bit_whatever_comes_with_it(squeeze):
    own = squeeze[0]
    rows = torch.arange(MICRO_BATCH + 2) % 3
    whole = own(PICTURE[rows], OTHER[rows])
    assert torch.equal(whole[:3], own(PICTURE, OTHER))
    assert torch.equal(whole[-1:], own(PICTURE[rows][-1:], OTHER[rows][-1:]))


def test_an_autocast_of_the_training_around_it_changes_nothing(squeeze):
    own = squeeze[0]
    with torch.autocast("cpu", torch.bfloat16):
        inside = own(PICTURE, OTHER)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, own(PICTURE, OTHER))


def test_it_brings_no_weights_into_its_holder(squeeze):
    holder = torch.nn.Module()
    holder.lpips = squeeze[0]
    assert not list(holder.parameters()) and not holder.state_dict()


def test_the_protocol_names_the_net_and_both_files(squeeze):
    own, _, path = squeeze
    record = own.protocol
    assert record["name"] == "lpips_squeeze" and record["model"] == "squeezenet1_1"
    assert record["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["linear"].startswith("4a5350f2")  # the one of evaluation.md 5


def test_small_pictures_are_refused(squeeze):
    assert squeeze[0](PICTURE[..., :32, :32], OTHER[..., :32, :32]).isfinite().all()
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, not 31x48"):
        squeeze[0](PICTURE[..., :31, :], OTHER[..., :31, :])


def test_a_distance_that_is_no_number_is_refused(squeeze, tmp_path):
    state = trunk_of(squeeze[1])
    state["features.0.bias"] = torch.full_like(state["features.0.bias"], float("nan"))
    save_file(state, tmp_path / "nan.safetensors")
    broken = ours("squeeze", tmp_path / "nan.safetensors", LINEAR / "squeeze.pth")
    with pytest.raises(ValueError, match="lpips_squeeze: 3 of 3 distances are not finite"):
        broken(PICTURE, OTHER)


def test_files_that_are_missing_or_of_another_net_are_named_with_their_key(squeeze, tmp_path):
    path = squeeze[2]
    with pytest.raises(ValueError, match=r"LPIPS: perceptual\.weights=.*none\.pth: there is no such file"):
        ours("squeeze", tmp_path / "none.pth", LINEAR / "squeeze.pth")
    with pytest.raises(ValueError, match=r"LPIPS: perceptual\.linear=.*none\.pth: there is no such file"):
        ours("squeeze", path, tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"LPIPS: perceptual\.linear=.*vgg\.pth: has no lin5\.model\.1\.weight"):
        ours("squeeze", path, LINEAR / "vgg.pth")


@pytest.fixture(scope="module")
def real():
    """The metric with real weights, and the photos of the data's README: every twelfth of val, sorted by path.

    The README does not say which 20 it took. These give all its means to its three digits, 0.1441 0.5551 0.4337, where
    "another picture" is the seventh after (0.5557); the first 20 of train give 0.1017 0.5018 0.4808.
    """
    folder = Path(os.environ["DARKROOM_REAL_DATA"])
    files = (folder / "weights" / name for name in ("squeezenet1_1.safetensors", "lpips_squeeze_lin.safetensors"))
    photos = [Image.open(path).convert("RGB") for path in sorted((folder / "grocery" / "val").rglob("*.jpg"))[::12]]
    assert {photo.size for photo in photos} == {(192, 192)} and len(photos) == 20
    return ours("squeeze", *files), photos


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
def test_means_over_photos_are_those_of_the_datas_readme(real):
    own, photos = real
    picture = tensor(photos)
    means = [own(picture, each).double().mean().item() for each in (blurred(photos, 1), blurred(photos, 3))]
    means += [own(picture, each).double().mean().item() for each in (noisy(photos, 25), picture.roll(-7, 0))]
    assert means == pytest.approx([0.144, 0.555, 0.434, 0.556], rel=0.01)
    assert own(picture[:1], picture[:1]).item() == 0


@pytest.mark.skipif("DARKROOM_REAL_DATA" not in os.environ, reason="DARKROOM_REAL_DATA is not set")
def test_a_photo_is_further_from_itself_the_more_it_is_blurred_or_noisy(real):
    own, photos = real[0], real[1][:3]
    blurs, noises = (
        [make(photos, much) for much in each] for make, each in ((blurred, (1, 2, 4)), (noisy, (5, 15, 45)))
    )
    values = own(tensor(photos).repeat(6, 1, 1, 1), torch.cat(blurs + noises)).view(2, 3, 3)  # kind, strength, photo
    assert (values.diff(dim=1) > 0).all() and (values > 0).all()
