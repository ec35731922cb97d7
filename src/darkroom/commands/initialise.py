"""``init=RUN``: a new run that starts from the averaged weights of another."""

from omegaconf import DictConfig
from torch import nn

from darkroom.build import build
from darkroom.commands.console import console
from darkroom.runs.folder import Run, find_run
from darkroom.runs.weights import Meanings, take_weights, trained_weights


def initialise(model: nn.Module, config: DictConfig) -> None:
    """Fills ``model``, a stage's, with what fits of the run that ``config.init`` names, and lists what did not.

    Data, resolution and conditioner may differ: of an embedding of words or classes the rows are taken that stand for
    the same in both. Raises FileNotFoundError where the run has no checkpoint, ValueError where nothing of it fits.
    """
    run = find_run(config.init)
    weights = trained_weights(run.trained())
    here = row_meanings(model)
    taken = take_weights(model, weights, here=here, there=_meanings_there(run, config) if here else {})
    if not taken.whole:
        raise ValueError(f"init={config.init}: no weight of this run fits; give a run of the same kind of network")
    console.print(f"weights of {run.path}: {taken.whole} tensors taken", soft_wrap=True)
    for line in taken.lines():
        console.print(f"  {line}", soft_wrap=True)


def row_meanings(module: nn.Module, prefix: str = "") -> Meanings:
    """What the rows of weights stand for, by the weight's name, where a part of ``module`` tells."""
    return {
        ".".join(filter(None, (prefix, path, weight))): rows
        for path, part in module.named_modules()
        for weight, rows in getattr(part, "row_meanings", {}).items()
    }


def _meanings_there(run: Run, config: DictConfig) -> Meanings:
    """Those of the run's conditioner, where it is of the same kind."""
    node = run.config.get("conditioner")
    if node is None or node._target_ != config.conditioner._target_:
        return {}
    return row_meanings(build(node), prefix="conditioner")
