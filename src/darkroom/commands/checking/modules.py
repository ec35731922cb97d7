"""Where a dotted name is defined, found by reading source files: nothing is imported.

The folder of the top-level package comes from its spec (``find_spec("torch.optim")`` would import torch); from there
names are followed through ``from x import y``, star imports and assignments.
"""

import ast
import functools
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from darkroom.commands.checking.spelling import meant

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class NotThere(LookupError):
    """A module or attribute that no source file has; the message says what and names the nearest."""


@dataclass(frozen=True)
class Module:
    """A parsed source file and the names that it binds at its top level."""

    name: str
    path: Path
    names: dict[str, ast.stmt]
    stars: tuple[str, ...]  # modules whose every name is imported

    @property
    def package(self) -> str:
        """What a relative import in it starts from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Found:
    """A class or function and the module that defines it."""

    module: Module
    node: Definition


def locate(target: str) -> Found | None:
    """The definition of ``target``; None where it is no plain class or function (a result of a call, compiled code).

    Raises NotThere.
    """
    parts = target.split(".")
    depth = next((n for n in range(len(parts) - 1, 0, -1) if source(".".join(parts[:n]))), 0)
    if depth == 0:
        raise NotThere(f"there is no package {parts[0]}")
    return find(read(".".join(parts[:depth])), parts[depth:])


def find(module: Module, names: Sequence[str]) -> Found | None:
    """What ``names`` (an attribute, its attribute, ...) are in ``module``; raises NotThere."""
    first, *rest = names
    bound = module.names.get(first)
    if bound is None:
        return _unbound(module, first, rest)
    if isinstance(bound, ast.FunctionDef | ast.AsyncFunctionDef):
        return None if rest else Found(module, bound)
    if isinstance(bound, ast.ClassDef):
        return _within(module, bound, rest)
    if isinstance(bound, ast.ImportFrom):
        return _imported(module, bound, first, rest)
    if isinstance(bound, ast.Assign) and isinstance(bound.value, ast.Name) and bound.value.id != first:
        return find(module, [bound.value.id, *rest])
    if isinstance(bound, ast.Import) and rest:
        whole = next(alias for alias in bound.names if first in (alias.asname, alias.name.split(".")[0]))
        return find(read(whole.name if whole.asname else first), rest)
    return None


def source(name: str) -> Path | None:
    """The source file of a module or package; None where there is none."""
    top, *below = name.split(".")
    folder = _folder(top)
    if folder is None:
        return None
    place = folder.joinpath(*below)
    for path in (place / "__init__.py", place.with_name(place.name + ".py")):
        if path.is_file() and (below or path.name == "__init__.py"):
            return path
    return None


@functools.cache
def read(name: str) -> Module:
    """The module, parsed; raises NotThere."""
    path = source(name)
    if path is None:
        raise NotThere(f"there is no module {name}")
    names: dict[str, ast.stmt] = {}
    stars: list[str] = []
    module = Module(name, path, names, ())
    for statement in _statements(ast.parse(path.read_text(encoding="utf-8")).body):
        for bound in _binds(statement):
            if bound == "*":
                assert isinstance(statement, ast.ImportFrom)
                stars.append(absolute(module, statement))
            elif isinstance(statement, Definition) or not isinstance(names.get(bound), Definition):
                names[bound] = statement
    return Module(name, path, names, tuple(stars))


@functools.cache
def _folder(top: str) -> Path | None:
    spec = importlib.util.find_spec(top)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, those under ``if``, ``try`` and ``with`` too."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if isinstance(statement, ast.If | ast.Try | ast.With):
                yield from _statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _binds(statement: ast.stmt) -> list[str]:
    if isinstance(statement, Definition):
        return [statement.name]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    if isinstance(statement, ast.Import):
        return [alias.asname or alias.name.split(".")[0] for alias in statement.names]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def absolute(module: Module, statement: ast.ImportFrom) -> str:
    """The module that a ``from ... import`` in ``module`` names, relative or not."""
    if not statement.level:
        return statement.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - statement.level + 1]
    return ".".join([*base, *([statement.module] if statement.module else [])])


def _imported(module: Module, statement: ast.ImportFrom, name: str, rest: list[str]) -> Found | None:
    original = next(alias.name for alias in statement.names if name == (alias.asname or alias.name))
    origin = absolute(module, statement)
    if source(f"{origin}.{original}"):
        inner = read(f"{origin}.{original}")
        if rest:
            return find(inner, rest)
        if original not in read(origin).names or origin == module.name:  # the module itself
            return None
    return find(read(origin), [original, *rest]) if source(origin) else None


def _within(module: Module, cls: ast.ClassDef, rest: list[str]) -> Found | None:
    """A class, or a class method of it such as ``Model.from_folder``."""
    if not rest:
        return Found(module, cls)
    methods = {node.name: node for node in cls.body if isinstance(node, Definition)}
    if rest[0] in methods:
        return None
    if cls.bases:
        return None  # perhaps inherited
    raise NotThere(f"{module.name}.{cls.name} has no {rest[0]}{meant(rest[0], methods)}")


def _unbound(module: Module, name: str, rest: list[str]) -> Found | None:
    if rest and source(f"{module.name}.{name}"):
        return find(read(f"{module.name}.{name}"), rest)
    for star in module.stars:
        if source(star):
            try:
                return find(read(star), [name, *rest])
            except NotThere:
                continue
    if "__getattr__" in module.names:
        return None
    raise NotThere(_nothing(module, name, rest))


def _nothing(module: Module, name: str, rest: list[str]) -> str:
    if rest:
        beside = [path.stem for path in module.path.parent.iterdir() if path.suffix == ".py" or path.is_dir()]
        return f"there is no module {module.name}.{name}{meant(name, beside)}"
    return f"module {module.name} has no {name}{meant(name, _public(module))}"


def _public(module: Module) -> Iterator[str]:
    """The classes and functions that a module has, those of its star imports too."""
    yield from (bound for bound, node in module.names.items() if isinstance(node, Definition | ast.ImportFrom))
    for star in module.stars:
        if source(star) and star != module.name:
            yield from _public(read(star))
