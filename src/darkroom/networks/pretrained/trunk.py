"""The convolutional trunk of a torchvision classifier: features of a whole picture, averaged over its places."""

import torchvision
from jaxtyping import Float
from torch import Tensor, nn


class Trunk(nn.Module):
    """``features`` of ``torchvision.models``' ``model``, with torchvision's names of weights; untrained as built."""

    def __init__(self, model: str) -> None:
        """Raises ValueError where torchvision has no such model, or one without ``features``."""
        super().__init__()
        known = torchvision.models.list_models(module=torchvision.models)
        if model not in known:
            raise ValueError(f"model={model}: torchvision has none of that name; squeezenet1_1 is one, of {len(known)}")
        network = torchvision.models.get_model(model, weights=None)
        if not isinstance(getattr(network, "features", None), nn.Module):
            raise ValueError(
                f"model={model}: has no features of its own in torchvision; squeezenet1_1 has, and an extractor of "
                "timm's takes the others"
            )
        self.features = network.features

    def forward(self, picture: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        return self.features(picture).mean(dim=(2, 3))
