"""The record of how a number was made, and its hash: two numbers with different records are not compared."""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def measured(value: float, protocol: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """A number as files keep it: with its protocol, the hash of that, and facts that explain but do not decide it.

    Facts that are None are not told.
    """
    told = {name: fact for name, fact in facts.items() if fact is not None}
    return {"value": value, **told, "protocol": dict(protocol), "protocol_id": protocol_id(protocol)}


def protocol_id(protocol: Mapping[str, Any]) -> str:
    """sha256 over the record as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()


def recorded(maker: Callable[..., Any]) -> dict[str, Any]:
    """A class or function, or a partial of one, and all its arguments, for a record: defaults too, and in plain values.

    What JSON has no word for is told by its ``repr``. Raises TypeError where a required argument is not bound.
    """
    function = getattr(maker, "func", maker)
    bound = inspect.signature(function).bind(*getattr(maker, "args", ()), **getattr(maker, "keywords", {}))
    bound.apply_defaults()
    told = {"class": f"{function.__module__}.{function.__qualname__}", **bound.arguments}
    return dict(json.loads(json.dumps(told, default=repr)))


def differences(a: Any, b: Any, at: str = "") -> Iterator[str]:
    """What keeps two records from being the same, a field each: ``extractor.size: 224 and 96``."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys([*a, *b]):
            yield from differences(a.get(key), b.get(key), f"{at}.{key}" if at else str(key))
    elif a != b:
        yield f"{at}: {a} and {b}"
