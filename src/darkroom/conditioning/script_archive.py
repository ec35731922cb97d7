"""The weights of a TorchScript archive, read without loading its program.

OpenAI's files of CLIP are such archives, and ``torch.jit.load`` would run what one holds. The tensors lie in a zip file
beside a pickle of the module's tree: of that pickle only tensors, containers and attributes are taken.
"""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_TYPES = {  # of torch's storages, by name
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def script_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of the archive's module by name, as its ``state_dict`` has them, on the CPU.

    Raises pickle.UnpicklingError where the tree holds anything else, and zipfile's and torch's errors for a torn file.
    """
    with zipfile.ZipFile(path) as archive:
        [tree] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        with archive.open(tree) as file:
            module = _Tree(file, archive, tree.removesuffix(".pkl")).load()
    return _tensors(module, "")


class _Module:
    """Stands for every class of the archive; its attributes are the module's."""


class _Tree(pickle.Unpickler):
    """Knows no name but those that build such a tree."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive, self._folder = archive, folder
        self._held: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _first
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a module's weights")

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage as a tensor of one axis: ``pid`` is ("storage", type, name of its file, device, elements)."""
        _, dtype, name, *_ = pid
        if name not in self._held:
            content = bytearray(self._archive.read(f"{self._folder}/{name}"))
            self._held[name] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        return self._held[name]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _first(value: Any, *_: Any) -> Any:
    """Of TorchScript's notes on the type of a list or mapping, the list or mapping itself."""
    return value


def _tensors(module: Any, prefix: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module):
            found |= _tensors(value, f"{prefix}{name}.")
    return found
