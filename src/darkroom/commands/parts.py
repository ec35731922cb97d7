"""The parts of a stage, tried before Lightning loads, which takes longer than torch does.

They are built for what they refuse and let go of: those that are trained are built from the run's seed, later.
"""

from omegaconf import DictConfig, OmegaConf

from darkroom.autoencoding.model import Autoencoder
from darkroom.build import build
from darkroom.stages.optimisation import refuse_faulty

_LATER = {"first_stage", "conditioner"}  # these read files, and a conditioner is chosen by the data


def try_parts(config: DictConfig, resolution: int) -> None:
    """Raises ValueError with one line where a part is refused, or makes no latents of pictures of ``resolution``."""
    named = {name: node for name, node in config.stage.items() if OmegaConf.is_dict(node) and name not in _LATER}
    parts = {name: build(node) for name, node in named.items()}
    if "optimizer" in parts:  # a stage of the user's own may have several
        refuse_faulty(parts["optimizer"])
    if isinstance(model := parts.get("model"), Autoencoder):
        model.latent_spec().shape(resolution)
