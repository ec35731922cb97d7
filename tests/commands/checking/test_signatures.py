"""Signatures read from source agree with those that Python itself reports."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import ListConfig

from darkroom.commands.checking import modules
from darkroom.commands.checking.modules import NotThere
from darkroom.commands.checking.signatures import signature

KNOWN = [
    "torch.optim.AdamW",
    "torch.optim.Adam",
    "torch.nn.Conv2d",
    "torch.nn.SiLU",
    "lightning.Trainer",
    "lightning.pytorch.loggers.CSVLogger",
    "lightning.pytorch.loggers.WandbLogger",
    "lightning.pytorch.callbacks.RichProgressBar",
    "torchvision.transforms.v2.Resize",
    "darkroom.stages.lr_schedule.Cosine",
    "darkroom.contracts.Batch",
    "darkroom.contracts.Visit",
    "darkroom.keys.keys",
]


@pytest.mark.parametrize("target", KNOWN)
def test_a_signature_is_that_of_the_imported_object(target):
    real = inspect.signature(get_object(target)).parameters.values()
    named = [each for each in real if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    found = signature(target)
    assert found is not None
    assert list(found.parameters) == [each.name for each in named]
    assert [each.required for each in found.parameters.values()] == [each.default is each.empty for each in named]
    assert found.keywords == any(each.kind == each.VAR_KEYWORD for each in real)


def test_nothing_is_imported():
    code = f"""
import sys
from darkroom.commands.checking.signatures import signature
for target in {KNOWN!r}:
    assert signature(target)
assert not {{"torch", "lightning", "torchvision"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("torch.optim.AdmW", "AdamW"),
        ("darkroom.stages.lr_shedule.Cosine", "lr_schedule"),
        ("darkroom.stages.lr_schedule.Cosin", "Cosine"),
        ("darkrom.stages.x", "darkrom"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(target, near):
    with pytest.raises(NotThere, match=near):
        signature(target)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that writes source files of a package ``house``."""
    (tmp_path / "house").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (modules.read, modules._folder, signature):
        cached.cache_clear()

    def write(**files: str) -> None:
        for name, text in {"__init__": "", **files}.items():
            (tmp_path / "house" / f"{name}.py").write_text(text)

    yield write
    for cached in (modules.read, modules._folder, signature):
        cached.cache_clear()


def test_names_are_followed_through_every_kind_of_import(package):
    package(
        __init__="from .a import f as g\nfrom house.b import *\nif True:\n    from . import c\n",
        a="import house.c\ndef f(x, *, y=1): ...\n",
        b="try:\n    from no import H\nexcept ImportError:\n    class H:\n        def __init__(self, z): ...\nk = H\n",
        c="from house.a import f\n",
    )
    assert list(signature("house.g").parameters) == ["x", "y"]
    assert list(signature("house.c.f").parameters) == ["x", "y"]
    assert list(signature("house.H").parameters) == ["z"]
    assert list(signature("house.k").parameters) == ["z"]


def test_a_class_takes_what_its_base_takes(package):
    package(
        a="from torch import nn\nclass Base(nn.Module):\n    def __init__(self, width: int, *, bias=True): ...\n",
        b="from house import a\nclass Child(a.Base): ...\nclass Other(a.nn.Module):\n    def forward(self, x): ...\n",
    )
    assert list(signature("house.b.Child").parameters) == ["width", "bias"]
    assert signature("house.b.Other").parameters == {}
    assert not signature("house.b.Other").keywords


def test_dataclasses_take_their_fields_and_their_bases_fields(package):
    package(
        a="""
from dataclasses import dataclass, field
from typing import ClassVar
@dataclass
class A:
    x: int
    made: int = field(init=False)
    shared: ClassVar[int] = 3
@dataclass(frozen=True)
class B(A):
    y: float = 1.0
"""
    )
    found = signature("house.a.B")
    assert {name: each.required for name, each in found.parameters.items()} == {"x": True, "y": False}


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [1, 0], [1.0, "1", True, None]),
        ("float", [1, 1.5], ["1.5", True, None]),
        ("bool", [True], [1, "true"]),
        ("str", ["a"], [1, None]),
        ("int | None", [1, None], ["a"]),
        ("Optional[str]", ["a", None], [1]),
        ("Literal['a', 'b']", ["a"], ["c", 1]),
        ("Kind", ["a"], ["c"]),
        ("Union[int, Literal['auto']]", [3, "auto"], ["x"]),
        ("'int'", [1], ["a"]),
        ("float | Tensor", [0.1], ["a"]),
        ("Sequence[int]", [[1, 2], [], ListConfig([1])], [[1, "a"], ListConfig([1, None]), [1.0], [True], "a", 1]),
        ("Sequence[float] | None", [[1, 0.5], None], [[1, "a"], 1.0]),
        ("Sequence[Literal['a', 'b'] | int]", [["a", 1]], [["c"]]),
        ("Sequence[Tensor]", [["a"]], ["a"]),
    ],
)
def test_annotations_allow_what_they_say(package, annotation, good, bad):
    package(a=f"from typing import *\nKind = Literal['a']\ndef f(x: {annotation}): ...\n")
    wants = signature("house.a.f").parameters["x"].wants
    assert all(wants.allows(value) for value in good)
    assert not any(wants.allows(value) for value in bad)


@pytest.mark.parametrize("annotation", ["list[int]", "Path | Callable", "Any", "Module"])
def test_other_annotations_are_not_held_against_a_value(package, annotation):
    package(a=f"def f(x: {annotation}): ...\n")
    assert signature("house.a.f").parameters["x"].wants is None


@pytest.mark.parametrize("annotation", ["Tensor", "Callable[[int], int]", "Schedule"])
def test_an_object_is_no_single_value(package, annotation):
    package(a=f"from darkroom.contracts import Schedule\ndef f(x: {annotation}, y: {annotation} | None): ...\n")
    plain, optional = (signature("house.a.f").parameters[name].wants for name in "xy")
    assert not any(plain.allows(value) for value in (1, "linear", None))
    assert optional.allows(None) and not optional.allows("linear")


def test_a_name_for_types_is_followed_through_imports(package):
    package(a="from typing import Literal\nKind = Literal['a', 2]\n", b="from house.a import Kind\n")
    package(c="from house.b import Kind as Sort\ndef f(x: Sort | None): ...\n")
    wants = signature("house.c.f").parameters["x"].wants
    assert all(wants.allows(value) for value in ("a", 2, None)) and not wants.allows("b")
