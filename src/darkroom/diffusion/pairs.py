"""Which parts go together, declared where a part is defined and readable without importing torch.

Two facts decide every pair that is built so far. A schedule may end in pure noise, alpha(1) = 0, where the ratio
sigma / alpha is infinite; a parameterization, a sampler or a time grid may need that ratio to be finite. Both are
decorators, so that the objects carry them, and so that a check of a config can read them from the source text.
"""

import ast
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

Part = TypeVar("Part", bound=Callable[..., Any])

SOURCE = Path(__file__).parents[2]


def ends_in_pure_noise(schedule: Part) -> Part:
    """Declares a schedule with alpha(1) = 0."""
    schedule.ends_in_pure_noise = True  # type: ignore[attr-defined]
    return schedule


def needs_finite_ratio(*, instead: str) -> Callable[[Part], Part]:
    """Declares a part that computes with sigma / alpha at t = 1; ``instead`` names what does the same without it."""

    def declare(part: Part) -> Part:
        part.needs_finite_ratio = instead  # type: ignore[attr-defined]
        return part

    return declare


def require_pair(part: object, schedule: object) -> None:
    """Raises ValueError where a built ``part`` (an object, a function, a partial) cannot work on ``schedule``."""
    while isinstance(part, functools.partial):
        part = part.func
    instead = getattr(part, "needs_finite_ratio", None)
    if instead and getattr(schedule, "ends_in_pure_noise", False):
        raise ValueError(_refusal(_name(part), instead, _name(schedule)))


def pair_faults(process: Mapping[str, Any], sampler: Mapping[str, Any] | None = None) -> list[str]:
    """The refusals of :func:`require_pair` for config nodes: ``conf/process`` and ``conf/sampler`` as mappings.

    Imports nothing that the nodes name. A target outside of darkroom declares nothing, and passes.
    """
    schedule = _target(process, "schedule")
    if not schedule or "ends_in_pure_noise" not in _declared(schedule):
        return []
    parts = [_target(process, "parameterization"), _target(sampler or {}, "sampler"), _target(sampler or {}, "grid")]
    facts = [(part, _declared(part).get("needs_finite_ratio")) for part in parts if part]
    return [_refusal(_last(part), instead, _last(schedule)) for part, instead in facts if instead]


def _refusal(part: str, instead: str, schedule: str) -> str:
    return (
        f"{part} needs a finite sigma/alpha, but {schedule} ends in pure noise (alpha(1) = 0): "
        f"use {instead} with {schedule}, or another schedule with {part}"
    )


def _name(part: object) -> str:
    return getattr(part, "__name__", type(part).__name__)


def _target(node: Mapping[str, Any], key: str) -> str | None:
    child = node.get(key)
    return child.get("_target_") if isinstance(child, Mapping) else None


def _last(target: str) -> str:
    return target.rpartition(".")[2]


def _declared(target: str) -> dict[str, str]:
    """Names of the decorators on ``target`` in its source, with the ``instead`` they were given."""
    module, _, name = target.rpartition(".")
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        return {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return dict(_decorator(d) for d in node.decorator_list)
    return {}


def _decorator(node: ast.expr) -> tuple[str, str]:
    if not isinstance(node, ast.Call):
        return ast.unparse(node), ""
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
    return ast.unparse(node.func), str(given.get("instead", ""))
