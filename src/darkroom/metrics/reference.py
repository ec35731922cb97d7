"""Statistics of reference pictures, computed once for each (pictures, preparation, extractor) and kept."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.moments import moments
from darkroom.metrics.protocol import protocol_id
from darkroom.metrics.statistics_file import Statistics, read_statistics, write_statistics


def kept_file(cache: Path, protocol: Mapping[str, Any]) -> Path:
    """Where the statistics of what ``protocol`` describes lie."""
    return cache / f"{protocol_id(protocol)}.npz"


def kept_statistics(
    cache: Path, protocol: Mapping[str, Any], compute: Callable[[], Float[Tensor, "n d"]]
) -> Statistics:
    """Those in ``cache``, or those of the features that ``compute`` answers, which are kept from now on."""
    path = kept_file(cache, protocol)
    if path.exists():
        return read_statistics(path)
    features = compute()
    statistics = Statistics(moments(features), protocol, features)
    write_statistics(path, statistics)
    return statistics
