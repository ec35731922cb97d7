"""Statistics of reference pictures, computed once for each (pictures, preparation, extractor) and kept."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.moments import moments
from darkroom.metrics.protocol import protocol_id
from darkroom.metrics.statistics_file import Statistics, read_statistics, write_statistics

_log = logging.getLogger(__name__)


def kept_file(cache: Path, protocol: Mapping[str, Any]) -> Path:
    """Where the statistics of what ``protocol`` describes lie."""
    return cache / f"{protocol_id(protocol)}.npz"


def read_kept(path: Path) -> Statistics | None:
    """Those in a file of ours; None where there is none, and with a warning where it is damaged: they are made anew."""
    if not path.exists():
        return None
    try:
        return read_statistics(path)
    except ValueError as error:
        _log.warning("%s: was damaged, so the features that it kept are computed again (%s)", path, error)
        return None


def kept_statistics(
    cache: Path, protocol: Mapping[str, Any], compute: Callable[[], Float[Tensor, "n d"]]
) -> Statistics:
    """Those in ``cache``, or those of the features that ``compute`` answers, which are kept from now on."""
    path = kept_file(cache, protocol)
    if (kept := read_kept(path)) is not None:
        return kept
    features = compute()
    statistics = Statistics(moments(features), protocol, features)
    write_statistics(path, statistics)
    return statistics
