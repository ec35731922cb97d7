"""How far what the denoiser draws is from real pictures, and whether it shows what was asked, while it trains."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from darkroom.callbacks.cost import Costly
from darkroom.callbacks.gathering import gathered
from darkroom.callbacks.interval import is_due
from darkroom.callbacks.samples import Generates
from darkroom.conditioning.words import heard, text_readers
from darkroom.contracts import FirstStage, Judged, PictureSource, Prompts, Verdicts
from darkroom.generation.generator import NotFinite, select
from darkroom.generation.reconstruct import reconstruct
from darkroom.generation.sample_set import SampleSet, dealt
from darkroom.metrics.agreement import agreement
from darkroom.metrics.clip_score import ClipScore, told
from darkroom.metrics.distances import FAMILIES, FEW, LEAST, Sets, names_of, of_references, refuse_impossible
from darkroom.metrics.extractor import FeatureExtractor, features
from darkroom.metrics.moments import moments
from darkroom.metrics.nearest_agreement import Named
from darkroom.metrics.reference import kept_file, read_kept
from darkroom.metrics.statistics_file import Statistics, write_statistics
from darkroom.metrics.titles import title

_log = logging.getLogger(__name__)


class Distribution(Costly):
    """Draws ``n`` pictures at validations, on all processes, and logs what they are worth: ``val/fd_<extractor>``.

    They are drawn under conditions of the training, as often as these occur there. Whether they show those that the
    denoiser reads is ``val/prompt_accuracy`` where the data brings a judge, and else ``val/agreement_<extractor>``, the
    share whose nearest training picture shows it. Validation runs on the averaged weights, and so do these samples,
    whose keys are always the same.
    ``speed/distribution_share`` is the share of the training's time that it took.

    Args:
        extractor: of the features; None measures no distance.
        clip_score: of samples and their captions, logged under its name; None for none.
        n, n_reference: samples, and training pictures that they are held against.
        metrics: families of ``darkroom.metrics.distances``.
        kid_size: pictures in each of KID's subsets, or as many as there are.
        batch_size: samples drawn at once on a process.
        cache: where the statistics of the training pictures are kept.
        every_n_validations: validations from one measurement to the next; the last step is always measured.
        max_share: bound on ``speed/distribution_share``; see :class:`Cost`.
    """

    share_name = "speed/distribution_share"

    def __init__(
        self,
        *,
        extractor: FeatureExtractor | None,
        n: int,
        n_reference: int,
        metrics: Sequence[str],
        kid_size: int,
        batch_size: int,
        cache: str,
        every_n_validations: int = 1,
        max_share: float | None = None,
        clip_score: ClipScore | None = None,
    ) -> None:
        """Raises ValueError for a family that there is not, and for sets too small to have a distance."""
        super().__init__(max_share)
        if unknown := [name for name in metrics if name not in FAMILIES]:
            raise ValueError(f"metrics: there is no {unknown[0]}; they are {', '.join(FAMILIES)}")
        if extractor is not None:
            refuse_impossible(metrics, extractor)
            _refuse_few(metrics, n, f"callback.distribution.n={n}")
            _refuse_few(of_references(metrics), n_reference, f"callback.distribution.n_reference={n_reference}")
        self._extractor, self._clip_score, self._set = extractor, clip_score, SampleSet(n, n_reference)
        self._families, self._kid_size = tuple(metrics), kid_size
        self._batch_size, self._cache, self._every = batch_size, Path(cache), every_n_validations
        self._reference: Statistics | None = None
        self._memory: Statistics | None = None  # of the reference as the first stage gives it back

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What may be watched; of the agreements one is there, where there are conditions."""
        names = ["prompt_accuracy"]
        if self._extractor is not None:
            names.append(title("agreement", self._extractor))
            names += [name for family in self._families for name in names_of(family, self._extractor)]
        if self._clip_score is not None:
            names.append(self._clip_score.name)
        return (*(f"val/{name}" for name in names), self.share_name)

    def refuse(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ValueError where a process would have nothing to draw."""
        processes = trainer.num_devices * trainer.num_nodes
        if isinstance(pl_module, Generates) and self._set.n < processes:
            raise ValueError(f"callback.distribution.n={self._set.n}: gives not each of {processes} processes a sample")

    def refuse_few(self, stage: LightningModule, source: PictureSource) -> None:
        """Raises ValueError where the training split is too small a reference for one of the families."""
        if self._extractor is not None and isinstance(stage, Generates):
            n = len(source.split("train"))
            _refuse_few(of_references(self._families), n, f"the training split has {n} pictures")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if self._extractor is not None and isinstance(pl_module, Generates) and trainer.is_global_zero:
            source: PictureSource = trainer.datamodule.source  # type: ignore[attr-defined]
            n, n_reference = self._set.n, min(self._set.n_reference, len(source.split("train")))
            if min(n, n_reference) < FEW:
                _log.warning(
                    "callback.distribution: %d samples against %d training pictures; under %d a distance tells their "
                    "number as well, so that it is to be compared with those of as many alone",
                    *(n, n_reference, FEW),
                )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not isinstance(pl_module, Generates):
            return
        source: PictureSource = trainer.datamodule.source  # type: ignore[attr-defined]
        due = is_due(trainer, self._every)
        measured = self._extractor or self._clip_score or _may_be_judged(pl_module, source)
        if not due or not measured or not self._cost.allows(trainer):
            return
        with self._cost.counted():
            values = self._measured(trainer, pl_module, source)
        self._log(trainer, pl_module, {f"val/{name}": value for name, value in values.items()})

    def _measured(self, trainer: Trainer, pl_module: Any, source: PictureSource) -> dict[str, float]:
        prompts = self._set.prompts(source.split("train"))
        index, pictures = self._drawn(trainer, pl_module, prompts)
        if pictures is None:
            return {}
        values: dict[str, float] = {}
        if self._extractor is not None:
            rows = features(self._extractor.to(pl_module.device), pictures.split(self._batch_size))
            drawn = gathered(trainer, index, rows, self._set.n)
            values |= self._distances(trainer, source, drawn)
            if not isinstance(source, Judged):
                values |= self._agreement(trainer, pl_module, source, prompts, drawn)
        if prompts.caption is None:
            return values
        asked = [prompts.caption[i] for i in index.tolist()]
        if self._clip_score is not None:
            scores = self._clip_score.to(pl_module.device)(pictures.split(self._batch_size), asked)
            values[self._clip_score.name] = (
                told(gathered(trainer, index, scores[:, None], self._set.n).flatten()).mean().item()
            )
        if isinstance(source, Judged) and _may_be_judged(pl_module, source):
            rows = gathered(trainer, index, _verdicts(source, pictures, asked), self._set.n)
            verdicts = Verdicts(right=rows[:, :-1], valid=rows[:, -1])
            values["prompt_accuracy"] = agreement(verdicts, source.attributes)["agreement"].value
        return values

    def _drawn(
        self, trainer: Trainer, pl_module: Generates, prompts: Prompts
    ) -> tuple[Int64[Tensor, " k"], UInt8[Tensor, "k 3 H W"] | None]:
        """This process's share of the samples with their numbers; None on all where one of them is no picture."""
        generator, keys = pl_module.generator(), self._set.keys()
        spans = self._dealt(trainer, self._set.n)
        pictures: list[Tensor] = []
        try:
            for span in spans:
                rows = slice(span.start, span.stop)
                asked = select(prompts, rows).to(trainer.strategy.root_device)
                pictures.append(generator.pictures(asked, keys[rows]).cpu())
        except NotFinite as error:
            _log.warning("step %d: nothing is measured, %s", trainer.global_step, error)
            pictures = []
        index = torch.tensor([i for span in spans for i in span])
        whole = trainer.strategy.reduce_boolean_decision(bool(pictures), all=True)
        return index, torch.cat(pictures) if whole else None

    def _distances(self, trainer: Trainer, source: PictureSource, drawn: Float[Tensor, "n d"]) -> dict[str, float]:
        if self._reference is None:
            self._reference = self._statistics(trainer, source)
        assert self._extractor is not None
        size = min(self._kid_size, len(drawn), self._reference.moments.n or self._kid_size)
        sets = Sets(drawn, self._reference, self._protocol(source), size, self._extractor, errors=False)
        found = {name: number for family in self._families for name, number in FAMILIES[family](sets).items()}
        return {name: number["value"] for name, number in found.items()}

    def _agreement(
        self,
        trainer: Trainer,
        pl_module: Generates,
        source: PictureSource,
        prompts: Prompts,
        drawn: Float[Tensor, "n d"],
    ) -> dict[str, float]:
        """Beside the reference as the first stage gives it back, since samples come out of it too.

        Nothing where the reference shows what fewer than half of the samples were asked for: too few to tell.
        """
        conditioner, training = pl_module.generator().model.conditioner, source.split("train")
        asked, shown = (heard(conditioner, each) for each in (prompts, self._set.reference_prompts(training)))
        if asked is None or shown is None:
            return {}
        if self._memory is None:
            self._memory = self._statistics(trainer, source, pl_module.generator().first_stage)
        assert self._extractor is not None
        assert self._memory.features is not None
        found = Named(self._memory.features, shown).agreement(drawn, asked)
        return {title("agreement", self._extractor): found.right / found.n} if found.n >= len(asked) / 2 else {}

    def _statistics(self, trainer: Trainer, source: PictureSource, first_stage: FirstStage | None = None) -> Statistics:
        """Of the training pictures, or of what a first stage makes of them: kept, else computed by all together."""
        protocol = self._protocol(source)
        if first_stage is not None:
            reference = protocol["reference"] | {"mirrored": False}
            protocol |= {"reference": reference, "through": first_stage.spec.hash}
        path = kept_file(self._cache, protocol)
        kept = read_kept(path)
        if trainer.strategy.reduce_boolean_decision(kept is not None, all=True):
            assert kept is not None
            return kept
        assert self._extractor is not None
        pictures = source.split("train")
        places = self._set.reference(pictures)
        spans = self._dealt(trainer, len(places))
        batches = (pictures.oriented([places[i] for i in span], mirrored=False) for span in spans)
        if first_stage is not None:
            batches = (reconstruct(first_stage, each, trainer.strategy.root_device) for each in batches)
        rows = features(self._extractor, batches)
        whole = gathered(trainer, torch.tensor([i for span in spans for i in span]), rows, len(places))
        statistics = Statistics(moments(whole), protocol, whole)
        if trainer.is_global_zero:
            write_statistics(path, statistics)
        return statistics

    def _protocol(self, source: PictureSource) -> dict[str, Any]:
        assert self._extractor is not None
        return {"extractor": self._extractor.protocol, "reference": self._set.facts(source)}

    def _dealt(self, trainer: Trainer, n: int) -> list[range]:
        return dealt(n, self._batch_size, rank=trainer.global_rank, world_size=trainer.world_size)


def _refuse_few(families: Sequence[str], size: int, words: str) -> None:
    """Raises ValueError, which begins with ``words``, where so many pictures give one of the families no number."""
    for family in families:
        if size < LEAST[family]:
            raise ValueError(
                f"{words}: too few for {family}, which wants {LEAST[family]}; give more, or other "
                "callback.distribution.metrics"
            )


def _may_be_judged(stage: Generates, source: PictureSource) -> bool:
    """Whether there is a judge, of captions that the denoiser reads."""
    return isinstance(source, Judged) and bool(text_readers(stage.generator().model.conditioner))


def _verdicts(source: Judged, pictures: UInt8[Tensor, "k 3 H W"], captions: Sequence[str]) -> Bool[Tensor, "k a"]:
    """Each attribute as asked, and last whether the picture could be read."""
    right, valid = source.judge(pictures, captions)
    return torch.cat([right, valid[:, None]], dim=1)
