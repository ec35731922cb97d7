"""Features of a network of timm, as timm builds it and feeds it."""

from pathlib import Path
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from darkroom.metrics.extractor import ASKED, Asked
from darkroom.metrics.preparation import pillow
from darkroom.metrics.weights_file import fill


class TimmExtractor(Asked):
    """A frozen network without its classifier: features are what it would classify by.

    Args:
        name: a distance is named after it.
        model: as timm names it, with the tag after a dot that says how its pictures are prepared. Nothing is fetched.
        weights: a file with timm's names.
        size: pixels of a side; None takes the model's own. A transformer's positions are then resampled as timm does.

    Raises FileNotFoundError or ValueError in one line for a file that is not there or of another network, for a model
    that timm does not know and for a size that it cannot take.
    """

    def __init__(self, *, name: str, model: str, weights: str, size: int | None = None) -> None:
        from timm.data import create_transform, resolve_model_data_config  # seconds

        self.name, self._model = name, model
        super().__init__(_network(model, size))
        self.hash = fill(self._network, Path(weights), key="extractor.weights")
        self._preparation = resolve_model_data_config(self._network, {"img_size": size})
        self._transform = create_transform(**self._preparation, is_training=False)

    def prepare(self, picture: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
        """By timm's transform of this model's evaluation."""
        return self._transform(pillow(picture))

    @property
    def protocol(self) -> dict[str, Any]:
        """What another extractor would have to share for its numbers to be these."""
        network = {"model": self._model, "weights": self.hash, "layer": "before the classifier"}
        preparation = {key: list(each) if isinstance(each, tuple) else each for key, each in self._preparation.items()}
        return {"name": self.name, **network, **preparation, "resize": "timm's, by Pillow, antialiased", **ASKED}


def _network(model: str, size: int | None) -> nn.Module:
    import timm

    if not timm.is_model(model):
        raise ValueError(f"extractor.model={model}: timm has none of that name; vit_base_patch14_dinov2 is one")
    resampled = size is not None and bool(timm.get_pretrained_cfg_value(model, "fixed_input_size"))
    more: dict[str, Any] = {"dynamic_img_size": True} if resampled else {}
    try:
        return timm.create_model(model, pretrained=False, num_classes=0, **more)
    except TypeError as error:  # an architecture that has no such argument
        raise ValueError(f"extractor.size={size}: {model} takes pictures of its own size alone") from error
