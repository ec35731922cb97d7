"""From the conditioner that a config names, and the data, to one that config and weights alone rebuild."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from darkroom.build import resolved
from darkroom.conditioning.facts import Facts, arguments_of, completed


@dataclass(frozen=True)
class Auto:
    """The target of ``conditioner=auto``: a node for each kind of data; :func:`resolve` puts one in its place."""

    text: Mapping[str, Any]
    class_label: Mapping[str, Any]
    none: Mapping[str, Any]

    def chosen(self, facts: Facts) -> tuple[Mapping[str, Any], str]:
        """Text where the data has captions, else the class where it has classes, else none; and the reason."""
        if facts.has_captions:
            return self.text, "text, since the data has captions"
        if facts.classes:
            return self.class_label, f"class_label, since the data has {len(facts.classes)} classes and no captions"
        return self.none, "none, since the data has neither captions nor classes"


class Resolved(NamedTuple):
    node: dict[str, Any]  # what the run's config.yaml keeps
    line: str | None  # what `auto` chose, for the terminal


def resolve(
    node: Mapping[str, Any] | DictConfig, captions: Sequence[str] | None, classes: Sequence[str] | None
) -> Resolved:
    """Chooses for ``auto`` and fills in what the data tells: the number of classes, the vocabulary.

    ``captions`` are those of the training pictures, ``classes`` the names of the classes; None where there are none.
    Raises ValueError where a conditioner that was named cannot use the data. Resolving twice changes nothing.
    """
    facts = Facts(captions, classes)
    plain = _plain(node)
    line = None
    if resolved(plain["_target_"]) is Auto:
        chosen, reason = Auto(**arguments_of(plain)).chosen(facts)
        plain, line = dict(chosen), f"conditioner=auto takes {reason}"
    return Resolved(completed(plain, facts), line)


def _plain(node: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    config = node if isinstance(node, DictConfig) else OmegaConf.create(dict(node))
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]  # ??? stays: the data fills it
