"""What ``evaluate.py`` sweeps over. Standard library."""

from omegaconf import DictConfig

SWEPT = {  # the least value, and the type
    "guidance_scale": (0, float),
    "steps": (1, int),
    "sampler": (None, str),
    "ema": (0, float),
}


def swept(config: DictConfig) -> list[str]:
    """What the command line gives several values of."""
    sweep = config.get("sweep")
    if not isinstance(sweep, DictConfig):
        return []
    return [name for name in SWEPT if sweep.get(name) is not None and sweep[name] != []]
