"""The arguments of a class or function, read from its source: the schema of the config node that names it."""

import ast
import functools
from dataclasses import dataclass
from typing import Any

from omegaconf import ListConfig

from darkroom.commands.checking.modules import Definition, Found, Module, NotThere, absolute, find, locate, read, source

_SIMPLE: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "Path": (str,),
}
_SEQUENCE = (list, tuple, ListConfig)
_EMPTY_BASES = {"Module", "LightningModule", "LightningDataModule", "Callback", "Dataset", "ABC", "Protocol", "object"}


@dataclass(frozen=True)
class Wants:
    """What an annotation allows; None where it says nothing that a yaml value could be held against."""

    text: str
    types: tuple[type, ...]
    values: tuple[Any, ...]  # of Literal, and None
    elements: "Wants | None" = None  # of a sequence's

    def allows(self, value: Any) -> bool:
        """True and 1 are told apart; an int is a float."""
        if isinstance(value, bool) and bool not in self.types:
            return any(value is each for each in self.values)
        if self.elements is not None and isinstance(value, _SEQUENCE):
            return all(map(self.elements.allows, value))
        return isinstance(value, self.types) or value in self.values


_Member = tuple[type, ...] | list[Any] | Wants  # of an annotation


@dataclass(frozen=True)
class Parameter:
    """One argument."""

    required: bool
    wants: Wants | None


@dataclass(frozen=True)
class Signature:
    """The arguments that can be given by name."""

    parameters: dict[str, Parameter]
    keywords: bool  # takes **kwargs


@functools.cache
def signature(target: str) -> Signature | None:
    """The signature of ``target``; None where it cannot be read from source. Raises NotThere."""
    found = locate(target)
    return None if found is None else _of(found)


def _of(found: Found) -> Signature | None:
    if isinstance(found.node, ast.ClassDef):
        return _of_class(found.module, found.node)
    return _of_function(found.module, found.node, bound=False)


def _of_function(module: Module, node: Definition, *, bound: bool) -> Signature:
    assert not isinstance(node, ast.ClassDef)
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    pairs = [*zip(positional, defaults, strict=True)][1 if bound else 0 :]
    pairs += zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    parameters = {arg.arg: Parameter(default is None, wants(module, arg.annotation)) for arg, default in pairs}
    return Signature(parameters, spec.kwarg is not None)


def _of_class(module: Module, node: ast.ClassDef) -> Signature | None:
    """Its ``__init__``, its fields where it is a dataclass, or what the first base that says so takes."""
    methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
    if _is_dataclass(node):
        return Signature(_fields(module, node), keywords=False)
    for maker in ("__init__", "__new__"):
        if maker in methods:
            return _of_function(module, methods[maker], bound=True)
    for base in map(_base_name, node.bases):
        if base is None:
            return None
        if base[-1] == "NamedTuple":
            return Signature(_fields(module, node), keywords=False)
        if base[-1] in _EMPTY_BASES:  # torch's and lightning's declare **kwargs and take none
            continue
        found = _resolved(module, base)
        if found is None or not isinstance(found.node, ast.ClassDef):
            return None
        inherited = _of_class(found.module, found.node)
        if inherited is None or inherited.parameters or inherited.keywords:
            return inherited
    return Signature({}, keywords=False)


def _is_dataclass(node: ast.ClassDef) -> bool:
    makers = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(ast.unparse(maker).split(".")[-1] == "dataclass" for maker in makers)


def _fields(module: Module, node: ast.ClassDef) -> dict[str, Parameter]:
    """Fields of a dataclass or NamedTuple, its bases' first."""
    fields: dict[str, Parameter] = {}
    for base in map(_base_name, node.bases):
        found = _resolved(module, base) if base else None
        if found and isinstance(found.node, ast.ClassDef) and _is_dataclass(found.node):
            fields |= _fields(found.module, found.node)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and _is_field(each):
            fields[each.target.id] = Parameter(each.value is None, wants(module, each.annotation))
    return fields


def _is_field(each: ast.AnnAssign) -> bool:
    return "ClassVar" not in ast.unparse(each.annotation) and "init=False" not in ast.unparse(each)


def _base_name(base: ast.expr) -> list[str] | None:
    """``nn.Module`` as its parts; a generic base without its brackets; None for what is computed."""
    if isinstance(base, ast.Subscript):
        base = base.value
    parts = ast.unparse(base).split(".")
    return parts if all(part.isidentifier() for part in parts) else None


def _resolved(module: Module, names: list[str]) -> Found | None:
    try:
        return find(module, names)
    except NotThere:  # a builtin
        return None


def wants(module: Module, annotation: ast.expr | None) -> Wants | None:
    """What ``annotation`` allows, where it is made of int, float, bool, str, None and Literal alone."""
    if annotation is None:
        return None
    members = _members(module, annotation)
    if members is None:
        return None
    types = tuple(each for member in members if isinstance(member, tuple) for each in member)
    values = tuple(value for member in members if isinstance(member, list) for value in member)
    elements = [member for member in members if isinstance(member, Wants)]
    return Wants(ast.unparse(annotation), types, values, elements[0] if len(elements) == 1 else None)


def _members(module: Module, node: ast.expr) -> list[_Member] | None:
    """Types as tuples, values as lists, a sequence's elements as what they want; None where any part is another."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _members(module, ast.parse(node.value, mode="eval").body)
        return [[node.value]]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(module, [node.left, node.right])
    if isinstance(node, ast.Subscript):
        return _subscript(module, ast.unparse(node.value).split(".")[-1], node.slice)
    word = ast.unparse(node).split(".")[-1]
    if word in _SIMPLE:
        return [_SIMPLE[word]]
    if word == "Tensor" or _is_ours(module, node):  # no single value of a yaml is one
        return []
    alias = _alias(module, word)
    return None if alias is None else _members(*alias)


def _is_ours(module: Module, node: ast.expr) -> bool:
    """Whether it names a class of this package, which a config builds by a node of its own."""
    names = _base_name(node)
    found = _resolved(module, names) if names and names[0] in module.names else None
    return found is not None and isinstance(found.node, ast.ClassDef) and found.module.name.startswith("darkroom.")


def _alias(module: Module, word: str) -> tuple[Module, ast.expr] | None:
    """What ``word = Literal[...]`` or the like stands for, and the module that says so."""
    bound = module.names.get(word)
    if isinstance(bound, ast.Assign) and isinstance(bound.value, ast.Subscript | ast.BinOp):
        return module, bound.value
    if isinstance(bound, ast.ImportFrom) and source(origin := absolute(module, bound)) and origin != module.name:
        return _alias(read(origin), next(each.name for each in bound.names if word in (each.asname, each.name)))
    return None


def _subscript(module: Module, outer: str, inner: ast.expr) -> list[_Member] | None:
    parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    if outer == "Literal":
        return [[ast.literal_eval(part) for part in parts]] if all(isinstance(p, ast.Constant) for p in parts) else None
    if outer == "Callable":
        return []
    if outer == "Sequence":
        elements = wants(module, inner)
        return [_SEQUENCE, elements] if elements and elements.types else [_SEQUENCE]
    if outer == "Optional":
        return _union(module, [*parts, ast.Constant(None)])
    return _union(module, parts) if outer == "Union" else None


def _union(module: Module, parts: list[ast.expr]) -> list[_Member] | None:
    found = [_members(module, part) for part in parts]
    return None if any(each is None for each in found) else [member for each in found for member in each or []]
