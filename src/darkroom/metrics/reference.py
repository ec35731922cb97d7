"""Statistics of reference pictures, computed once for each (pictures, preparation, extractor) and kept."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.collecting import collected
from darkroom.metrics.protocol import protocol_id
from darkroom.metrics.statistics_file import Statistics, read_statistics, write_statistics

_log = logging.getLogger(__name__)


def kept_file(cache: Path, protocol: Mapping[str, Any]) -> Path:
    """Where the statistics of what ``protocol`` describes lie."""
    return cache / f"{protocol_id(protocol)}.npz"


def read_kept(path: Path, *, features: bool = True) -> Statistics | None:
    """Those in a file of ours; None where there is none, and with a warning where it is damaged: they are made anew.

    ``features``: whether these are read with them.
    """
    if not path.exists():
        return None
    try:
        return read_statistics(path, features=features)
    except ValueError as error:
        _log.warning("%s: was damaged, so the features that it kept are computed again (%s)", path, error)
        return None


def kept_statistics(
    cache: Path,
    protocol: Mapping[str, Any],
    compute: Callable[[], Iterable[Float[Tensor, "_ d"]]],
    *,
    features: bool = True,
) -> Statistics:
    """Those in ``cache``, or those of the features that ``compute`` answers in batches, which are kept from now on.

    ``features``: whether these are wanted beside their moments; they are computed again where moments alone were kept.
    """
    path = kept_file(cache, protocol)
    if (kept := read_kept(path, features=features)) is not None and (kept.features is not None or not features):
        return kept
    found = collected(compute(), every=1 if features else None)
    statistics = Statistics(found.moments, protocol, found.rows)
    write_statistics(path, statistics)
    return statistics
