"""How open_clip prepares a picture for one of its models."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor

from darkroom.metrics.preparation import pillow


class OpenClipPreparation:
    """open_clip's transform for pictures that are looked at.

    Args:
        size: pixels of a side, or both.
        known: what open_clip knows of the weights: other means, another way to make a square; CLIP's own where empty.
    """

    def __init__(self, size: int | tuple[int, int], known: Mapping[str, Any]) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict  # seconds

        self._settings = merge_preprocess_dict(PreprocessCfg(size=size), known)
        self._transform = image_transform_v2(PreprocessCfg(**self._settings), is_train=False)

    def __call__(self, picture: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
        return self._transform(pillow(picture))

    @property
    def protocol(self) -> dict[str, Any]:
        """As JSON has it."""
        settings = {key: list(each) if isinstance(each, tuple) else each for key, each in self._settings.items()}
        return {**settings, "resize": "open_clip's, by Pillow, antialiased"}
