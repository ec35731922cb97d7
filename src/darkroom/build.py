"""The only place where a config node becomes an object.

A node is a mapping with ``_target_``. A run's folder or an artifact may come from a stranger, so what a node may name
is limited, at any depth: by its package before anything is imported, then by what the name turns out to be, since
``torch.os.system`` is ``os.system``. ``_keys_`` beside it lists what the check lets through to a ``**kwargs``
(``darkroom.commands.checking.nodes``) and is taken out here.
"""

import functools
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

PACKAGES = ("darkroom", "torch", "torchvision", "timm", "open_clip", "torchmetrics", "lightning")
_HOUSE = Path(__file__).resolve().parent
_added: set[str] = set()  # packages of the user's own, of which everything may be built
_PARTS = {  # packages of darkroom whose classes recipes are made of
    *("autoencoding", "callbacks", "conditioning", "data", "diffusion", "metrics", "networks", "stages")
}
_BASES = {  # of any other class, by name: what nobody has imported needs not be
    "torch.nn.modules.module.Module",
    "torch.optim.optimizer.Optimizer",
    "torch.optim.lr_scheduler.LRScheduler",
    "torchmetrics.metric.Metric",
    "lightning.pytorch.callbacks.callback.Callback",
    "lightning.pytorch.loggers.logger.Logger",
    "lightning.pytorch.strategies.strategy.Strategy",
    "lightning.pytorch.core.datamodule.LightningDataModule",
}
_BUILDERS = {"lightning.pytorch.trainer.trainer.Trainer", "darkroom.autoencoding.first_stage.load_artifact"}
_MATHEMATICS = "darkroom.diffusion."  # whose functions, samplers and time grids, touch no file
_WRITTEN = {"save_dir", "dirpath", "default_root_dir"}  # arguments that name where to write, not what to load
_GIVEN = {"folder"}  # arguments of ours that the program alone knows: a logger writes there
_HUB = re.compile(r"name_or_path$|^hf_\w*name$")  # arguments by which foreign classes fetch a model, of any name
_ADDRESS = re.compile(r"^(https?|ftp|file|s3|gs|hf-hub|hf_hub|local-dir):", re.IGNORECASE)  # timm, open_clip fetch them
_FILE = re.compile(
    r"[/\\]|^~|\.(pth?|ckpt|bin|safetensors|pkl|pickle|npz?|h5|onnx|py|so|dll|zip|tar|gz)$", re.IGNORECASE
)


class Faults(ValueError):
    """Several at once, each a line that says what to do."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def build(node: Any, **extra: Any) -> Any:
    """The object that ``node`` (a mapping with ``_target_``, or a list or mapping of such) describes.

    ``extra`` are arguments that only the program knows; they go straight to the constructor, past OmegaConf, which
    would turn a dataclass into a mapping. A node with ``_partial_: true`` gives a partial that holds them.

    Raises ValueError in one line: where a ``_target_`` is not what a config may build (:func:`resolved`), gets
    arguments without a name or an address to load from, outside of darkroom also the name of a file or of a model to
    fetch, and where a constructor refuses its arguments (its own error stays chained); :class:`Faults` where it
    names several.
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    plain = literal(literal(without_keys(plain)))  # Hydra makes it a config once more, and resolves that twice
    for each in nodes(plain):
        _refuse_files(each, resolved(each["_target_"]))
    try:
        if not extra:
            return instantiate(plain, _convert_="all")
        made = instantiate({**plain, "_partial_": True}, _convert_="all")
        return functools.partial(made, **extra) if plain.get("_partial_") else made(**extra)
    except InstantiationException as error:
        raise _told(plain, error) from error
    except Exception as error:  # the constructor's own, with extra; Hydra turns any into its own where there is none
        raise _as_input(plain["_target_"], error) from error


def literal(node: Any) -> Any:
    """``node`` with every string in it escaped: a resolved config whose values mean themselves, whatever they hold."""
    if isinstance(node, Mapping):
        return {key: literal(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [literal(value) for value in node]
    return escaped(node) if isinstance(node, str) else node


def escaped(text: str) -> str:
    """``text`` as a string in a config or a yaml that OmegaConf is not to interpolate."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def add_packages(names: Sequence[str]) -> None:
    """Let nodes build what lies in packages of the user's own; to be told by the command line alone."""
    _added.update(names)


def permitted(target: str, more: Sequence[str] = ()) -> bool:
    """Whether ``target`` lies in a package of :data:`PACKAGES`, of the user's own or of ``more``; imports nothing."""
    names = target.split(".")
    return names[0] in {*PACKAGES, *_added, *more} and not any(name.startswith("__") for name in names)


def resolved(target: Any) -> Any:
    """The class or function that a config may name so.

    That is a class of darkroom's parts (:data:`_PARTS`), a function of its diffusion mathematics, elsewhere in darkroom
    but in its commands and in the other packages a class that is a module, optimizer, learning rate schedule, metric,
    callback, logger, strategy or data module, Lightning's trainer, and all that a package of the user's own defines.
    Raises ValueError for everything else.
    """
    if not isinstance(target, str) or not permitted(target):
        more = "packages=[NAME] on the command line adds one"
        raise ValueError(
            f"_target_: {target} lies outside the packages a config may build: {', '.join(PACKAGES)}; {more}"
        )
    thing = _imported(target)
    if not (inspect.isclass(thing) or inspect.isfunction(thing)) or not _buildable(thing):
        raise ValueError(f"_target_: {target} is nothing that a config may build: give a class of a part")
    return thing


def _imported(target: str) -> Any:
    """What the dotted name leads to, from the longest part of it that is a module."""
    parts = target.split(".")
    try:
        for depth in range(len(parts) - 1, 0, -1):
            if (thing := _module(".".join(parts[:depth]))) is not None:
                return functools.reduce(getattr, parts[depth:], thing)
        importlib.import_module(parts[0])
    except (ImportError, AttributeError) as error:
        raise ValueError(f"_target_: there is no {target}: {_words(error)}") from error
    raise ValueError(f"_target_: {target} is a package; give a class of it")


def _module(name: str) -> Any:
    """None where there is none of that name; one that is there and imports what is not raises its own error."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


def _buildable(thing: Any) -> bool:
    name = f"{thing.__module__}.{thing.__qualname__}"
    package, inner = name.split(".")[:2]
    if package in _added or name in _BUILDERS:
        return True
    if not inspect.isclass(thing):
        return name.startswith(_MATHEMATICS)
    if package == "darkroom" and inner in {*_PARTS, "commands"}:
        return inner in _PARTS
    ancestors = {f"{each.__module__}.{each.__qualname__}" for each in thing.__mro__}
    return package in PACKAGES and bool(ancestors & _BASES)


def _refuse_files(node: Mapping[str, Any], thing: Any) -> None:
    """A foreign constructor may load what it is named, by a reader that runs code; ours read files as data, of here."""
    if "_args_" in node:
        raise ValueError(
            f"{node['_target_']}: _args_: is not known by a name to be checked; give each argument by its own"
        )
    package = thing.__module__.split(".")[0]  # where it is defined: darkroom's modules hold foreign classes by import
    if package in _added:
        return
    if package == "darkroom":
        _refuse_addresses(node)
        return
    for argument, value in node.items():
        for key, text in _texts(argument, value) if argument not in {*_WRITTEN, "_target_"} else ():
            if _FILE.search(text) or _ADDRESS.match(text) or _HUB.search(key):
                what = "names a file, an address or a model to fetch"
                raise ValueError(f"{node['_target_']}: {key}={text} {what}, which a config may not")


def _refuse_addresses(node: Mapping[str, Any]) -> None:
    for key, value in node.items():
        if key in _GIVEN:
            raise ValueError(f"{node['_target_']}: {key}={value} is not a config's to say; leave it out")
        if isinstance(value, str) and _ADDRESS.match(value):
            raise ValueError(f"{node['_target_']}: {key}={value} is an address; fetch it, and give the file")


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """The strings in a value, each with the innermost key that it stands under, but for those of nodes inside it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping) and "_target_" not in value:
        yield from (found for inner, each in value.items() for found in _texts(str(inner), each))
    elif isinstance(value, Sequence):
        yield from (found for each in value for found in _texts(key, each))


def nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping with ``_target_`` in ``value``, at any depth."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from nodes(each)


def without_keys(node: Any) -> Any:
    """``node`` without ``_keys_``, at any depth."""
    if isinstance(node, Mapping):
        return {key: without_keys(value) for key, value in node.items() if key != "_keys_"}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [without_keys(value) for value in node]
    return node


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def raised_here(error: BaseException) -> bool:
    """Whether our own code raised it: then its words are meant for whoever made the mistake."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and Path(traceback.tb_frame.f_code.co_filename).resolve().is_relative_to(_HOUSE)


def of_input(error: ValueError | OSError) -> bool:
    """Whether a line is enough: our own code raised it, or the system about a file."""
    return raised_here(error) or (isinstance(error, OSError) and error.filename is not None)


def _told(node: Any, error: InstantiationException) -> ValueError:
    """The first cause that was raised here, else the first of all; Hydra's own words where it found no target."""
    target = node.get("_target_", "nodes") if isinstance(node, Mapping) else "nodes"
    lines = [line.strip() for line in str(error).splitlines()]
    inner = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key")), "")
    cause: BaseException = error
    while cause.__cause__ is not None and not raised_here(cause):
        cause = cause.__cause__
    where = f"{target}{f' ({inner})' if inner else ''}"
    return ValueError(f"{where}: {lines[0]}") if cause is error else _as_input(where, cause)


def _as_input(where: str, cause: BaseException) -> ValueError:
    """In one line, or a line for each of several faults."""
    if isinstance(cause, Faults):
        return Faults(*(f"{where}: {fault}" for fault in cause.faults))
    return ValueError(f"{where}: {_words(cause)}")
