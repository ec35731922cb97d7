"""Condition, guide, sample, decode: pictures by key. Saving them is the caller's."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from darkroom.conditioning.words import text_readers
from darkroom.contracts import ConditionSpec, Denoiser, FirstStage, Prompts, to_uint8
from darkroom.diffusion.guidance import Guidance
from darkroom.diffusion.plan import SamplingPlan
from darkroom.diffusion.process import Process
from darkroom.generation.denoising import Denoising
from darkroom.keys import Keys
from darkroom.metrics.inference import exact_float32


class NotFinite(ValueError):
    """Samples that are no numbers: as pictures they would be black, and be counted."""


@dataclass(frozen=True)
class Generator:
    """Everything that a picture's making needs besides its prompt and its key."""

    model: Denoising
    process: Process
    first_stage: FirstStage
    plan: SamplingPlan
    guidance: Guidance | None
    resolution: int
    bf16: bool = False  # autocast of network and decoder; the sampler itself stays in float32, as all does without it

    def __call__(
        self, prompts: Prompts, keys: Keys, *, batch_size: int, negative: str | None = None
    ) -> Iterator[UInt8[Tensor, "b 3 H W"]]:
        """Yields the pictures of ``prompts`` in order, ``batch_size`` at a time.

        Picture k is a function of prompt k and key k alone, bit for bit where as many are drawn at once: so a last
        batch that is smaller than those before it is filled up. Another batch size rounds products otherwise, which
        moves a picture by a level at most in float32, and by more under bf16. ``negative`` is a caption that guidance
        keeps away from, in place of the null condition; without guidance it says nothing. Raises ValueError for one
        where the model reads no captions.
        """
        for start in range(0, len(keys), batch_size):
            pictures = self.pictures(*self.rows(prompts, keys, start, batch_size), negative)
            yield pictures[: len(keys) - start]

    @staticmethod
    def rows(prompts: Prompts, keys: Keys, start: int, batch_size: int) -> tuple[Prompts, Keys]:
        """The batch from ``start`` on, filled up from the beginning where it is the last."""
        rows = np.arange(start, start + min(batch_size, len(keys))) % len(keys)
        return select(prompts, rows), Keys(keys.words[rows], keys.device)

    def pictures(self, prompts: Prompts, keys: Keys, negative: str | None = None) -> UInt8[Tensor, "b 3 H W"]:
        """One batch. Raises :class:`NotFinite` where the network, or guidance of it, runs away."""
        device = next(self.model.parameters()).device
        with exact_float32(device):
            latent = self.latents(prompts, keys, negative)
            with self._autocast(device):
                picture = self.first_stage.decode(latent)
        if bad := int((~picture.isfinite().flatten(1).all(dim=1)).sum()):
            raise NotFinite(f"{bad} of {len(picture)} samples are not finite; guide less, or take more steps")
        return to_uint8(picture)

    @torch.inference_mode()
    def latents(self, prompts: Prompts, keys: Keys, negative: str | None = None) -> Float[Tensor, "b c h w"]:
        """One batch, before it is decoded."""
        device = next(self.model.parameters()).device
        keys = keys.to(device)
        noise = keys.fold("start").normal(self.first_stage.spec.shape(self.resolution))
        return self.plan(self._denoiser(prompts, negative, device), noise, self.process.schedule, keys.fold("sampler"))

    def _denoiser(self, prompts: Prompts, negative: str | None, device: torch.device) -> Denoiser:
        conditioner = self.model.conditioner
        if negative is not None and not text_readers(conditioner):
            raise ValueError(f"negative_prompt={negative}: the run has no text condition; leave it out")
        with self._autocast(device):
            condition = conditioner(prompts)
            conditional = self._autocasting(self.process.denoiser(self.model.network, condition), device)
        if self.guidance is None or conditioner.spec == ConditionSpec():
            return conditional

        @cache
        def unconditional() -> Denoiser:
            if negative is None:
                kept_from = conditioner(prompts, drop=torch.ones(len(prompts), dtype=torch.bool, device=device))
            else:
                kept_from = conditioner(replace(prompts, caption=(negative,) * len(prompts)))
            return self.process.denoiser(self.model.network, kept_from)

        # encoded when guidance first asks for it: at a scale of 1 it never does
        return self.guidance(conditional, self._autocasting(lambda x_t, t: unconditional()(x_t, t), device))

    def _autocasting(self, denoiser: Denoiser, device: torch.device) -> Denoiser:
        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            with self._autocast(device):
                return denoiser(x_t, t)

        return denoise

    def _autocast(self, device: torch.device) -> AbstractContextManager:
        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()


def select(prompts: Prompts, rows: slice | Int64[np.ndarray, " b"]) -> Prompts:
    """Some rows of a batch of prompts."""
    return Prompts(
        label=None if prompts.label is None else prompts.label[rows],
        caption=None if prompts.caption is None else tuple(np.array(prompts.caption, dtype=object)[rows]),
    )
