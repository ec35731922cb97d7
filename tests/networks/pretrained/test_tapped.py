import pytest
import torch
import torchvision

from darkroom.keys import keys
from darkroom.networks.pretrained.tapped import TappedTrunk

PICTURE = keys(seed=0, purpose="pictures", places=range(2)).normal((3, 32, 32))


def test_taps_are_what_torchvisions_own_layers_answer_even_before_a_layer_that_writes_into_its_input():
    torch.manual_seed(0)
    network = torchvision.models.alexnet(weights=None).eval()
    tapped = TappedTrunk("alexnet", [0, 1, 4])  # 1 is a ReLU in place
    kept = {name: value for name, value in network.state_dict().items() if name in tapped.state_dict()}
    tapped.load_state_dict(kept)
    with torch.no_grad():
        for place, seen in zip(tapped.taps, tapped(PICTURE), strict=True):
            assert torch.equal(seen, network.features[: place + 1](PICTURE).detach())


def test_nothing_lies_behind_the_last_tap():
    assert len(TappedTrunk("squeezenet1_1", [1, 4]).features) == 5


def test_a_network_without_features_is_refused_with_who_takes_it():
    with pytest.raises(ValueError, match=r"model=resnet18: has no features .* timm's takes"):
        TappedTrunk("resnet18", [0])


@pytest.mark.parametrize("taps", [[], [4, 1], [1, 1], [-1], [1, 13]])
def test_taps_that_do_not_rise_or_are_not_there_are_refused(taps):
    with pytest.raises(ValueError, match="rising places in the features of squeezenet1_1, 0 to 12"):
        TappedTrunk("squeezenet1_1", taps)
