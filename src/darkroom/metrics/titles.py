"""What a distance is called: after the extractor of its features, but for those that have a name in the field."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from darkroom.metrics.extractor import FeatureExtractor


@runtime_checkable
class Titled(Protocol):
    """An extractor by whose features some distances are defined: FID is the Frechet distance by Inception's alone."""

    titles: Mapping[str, str]  # of a distance's usual name, such as fd, rfd and kid: the one by these features


def title(distance: str, extractor: FeatureExtractor) -> str:
    """``fd`` to ``fd_<extractor>``, or to ``fid``; ``rfd``, ``kid`` and all others in the same way."""
    own = extractor.titles if isinstance(extractor, Titled) else {}
    return own.get(distance, f"{distance}_{extractor.name}")
