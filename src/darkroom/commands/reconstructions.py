"""Reconstructions of the validation split held against the originals: pair by pair, and as a set."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.commands.console import progress
from darkroom.commands.folders import warn_of_few
from darkroom.commands.load import device
from darkroom.commands.pictures import pictures_of, reconstruct
from darkroom.contracts import FirstStage, PictureSource
from darkroom.metrics.extractor import FeatureExtractor, features
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.frechet_error import bootstrap_sd_of_pairs, frechet_sd_of_pairs
from darkroom.metrics.lpips import LPIPS
from darkroom.metrics.means import mean
from darkroom.metrics.moments import moments
from darkroom.metrics.ms_ssim import LEAST_SIDE, ms_ssim
from darkroom.metrics.paired import SSIM_PROTOCOL, bicubic_roundtrip, pooled_psnr, psnr, ssim
from darkroom.metrics.protocol import measured
from darkroom.metrics.titles import title


class Paired(NamedTuple):
    """A number of each pair of pictures, and what says in a protocol how it is made."""

    of_pairs: Callable[[Tensor, Tensor], Float[Tensor, " b"]]
    protocol: Mapping[str, Any]


class Found(NamedTuple):
    """Every number by its name, with its protocol; and those of single pictures, in the order of the split."""

    numbers: dict[str, Any]
    by_picture: dict[str, Float[Tensor, " n"]]


_PSNR = Paired(psnr, {"name": "psnr", "mean": "over pictures"})
_SSIM = Paired(ssim, {"name": "ssim", **SSIM_PROTOCOL})
_MS_SSIM = Paired(ms_ssim, {"name": "ms_ssim", "scales": 5, **SSIM_PROTOCOL})


def of_reconstructions(
    extractor: FeatureExtractor | None,
    lpips: LPIPS | None,
    source: PictureSource,
    first_stage: FirstStage,
    batch_size: int,
) -> Found:
    """The whole validation split against itself, through the posterior's mean, beside bicubic by the same factor.

    MS-SSIM where pictures are large enough for it, LPIPS and the Frechet distance where they are given; nothing for a
    first stage that leaves pixels as they are.
    """
    factor = first_stage.spec.factor
    if factor == 1:
        return Found({}, {})
    ours = {"val_psnr": _PSNR, "val_ssim": _SSIM}
    theirs = {"val_bicubic_psnr": _PSNR, "val_bicubic_ssim": _SSIM}
    if source.resolution >= LEAST_SIDE:
        ours["val_ms_ssim"] = _MS_SSIM
    if lpips is not None:
        ours[lpips.name] = Paired(lambda *pair: lpips(*(each.to(device()) for each in pair)).cpu(), lpips.protocol)
    validation = source.split("validation")
    if extractor is not None:
        warn_of_few({"the validation split": len(validation)})
    values: dict[str, list[Tensor]] = {name: [] for name in (*ours, *theirs)}
    rows = []
    for image in progress(pictures_of(validation, batch_size), len(validation), batch_size, "reconstructing"):
        again, bicubic = reconstruct(first_stage, image), bicubic_roundtrip(image, factor)
        for metrics, other in ((ours, again), (theirs, bicubic)):
            for name, metric in metrics.items():
                values[name].append(metric.of_pairs(image, other))
        if extractor is not None:
            rows.append(torch.cat([features(extractor, [each]) for each in (image, again)], dim=1))
    facts = {"data": source.fingerprint, "split": "validation", "pictures": len(validation), "paired": True}
    by_picture = {name: torch.cat(each) for name, each in values.items()}
    found: dict[str, Any] = {}
    for name, metric in (ours | theirs).items():
        of = {} if name in ours else {"of": f"bicubic by {factor}"}
        found |= over_pictures(name, by_picture[name], {"metric": {**metric.protocol, **of}, "reference": facts})
    if extractor is not None:
        protocol = {"extractor": extractor.protocol, "reference": facts, "metric": {"name": "frechet", "ddof": 1}}
        found[title("rfd", extractor)] = frechet_of_pairs(torch.cat(rows), protocol)
    return Found(found, by_picture)


def frechet_of_pairs(rows: Float[Tensor, "n two_d"], protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The distance of reconstructions, whose features stand behind those of their originals.

    ``sd`` is its error over other pictures with their reconstructions.
    """
    original, again = rows.chunk(2, dim=1)
    real, after = moments(original), moments(again)
    value = frechet_distance(after, real)
    sd, by = frechet_sd_of_pairs(again, original, after, real), "first order"
    if sd is None:
        sd, by = bootstrap_sd_of_pairs(again, original), "bootstrap of 200"
    return measured(max(0.0, value), protocol, raw=value, sd=sd, sd_by=by)


def over_pictures(name: str, values: Float[Tensor, " n"], protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The mean with its standard error; of PSNRs also ``<name>_pooled``, that of the mean squared error.

    Pictures that came back without any error have no finite PSNR: they are counted, and no part of the mean. Where all
    came back so, the mean is NaN and the pooled one infinite.
    """
    if protocol["metric"]["name"] != "psnr":
        found = mean(values)
        return {name: measured(found.value, protocol, sd=found.sd)}
    found, pooled = mean(values[values.isfinite()]), pooled_psnr(values)
    identical = int(values.isinf().sum())
    of_pool = {**protocol, "metric": {**protocol["metric"], "mean": "of squared errors"}}
    return {
        name: measured(found.value, protocol, sd=found.sd, identical=identical),
        f"{name}_pooled": measured(pooled.value, of_pool, sd=pooled.sd, identical=identical),
    }
