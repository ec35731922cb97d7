"""Several conditioners as one."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor, nn

from darkroom.conditioning.facts import Facts, completed
from darkroom.contracts import Condition, Conditioner, ConditionSpec, Prompts


class Merged(nn.Module):
    """Joins what each conditioner gives: vectors and spatial maps along their width, tokens one after the other.

    Token sequences narrower than the widest are filled up with zeros, as SD3 does (recipes.md section 9.5). Rows that
    are dropped lose all conditions at once.
    """

    def __init__(self, conditioners: Sequence[nn.Module]):
        super().__init__()
        self.conditioners = nn.ModuleList(conditioners)
        specs = [cast(Conditioner, conditioner).spec for conditioner in conditioners]
        self.spec = ConditionSpec(
            tokens=max(spec.tokens for spec in specs),
            vector=sum(spec.vector for spec in specs),
            spatial=sum(spec.spatial for spec in specs),
        )

    @staticmethod
    def completed(arguments: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
        """Each conditioner completes its own."""
        return {"conditioners": [completed(part, facts) for part in arguments["conditioners"]]}

    def forward(self, prompts: Prompts, drop: Bool[Tensor, " b"] | None = None) -> Condition:
        conditions = [conditioner(prompts, drop) for conditioner in self.conditioners]
        tokens = [
            F.pad(c.tokens, (0, self.spec.tokens - c.tokens.shape[2])) for c in conditions if c.tokens is not None
        ]
        return Condition(
            tokens=_joined(tokens),
            mask=_joined([_mask(c) for c in conditions if c.tokens is not None]),
            vector=_joined([c.vector for c in conditions if c.vector is not None]),
            spatial=_joined([c.spatial for c in conditions if c.spatial is not None]),
        )


def _mask(condition: Condition) -> Bool[Tensor, "b n"]:
    """The mask of the tokens; without one every token counts."""
    if condition.mask is not None:
        return condition.mask
    assert condition.tokens is not None
    return torch.ones(condition.tokens.shape[:2], dtype=torch.bool, device=condition.tokens.device)


def _joined(parts: list[Tensor]) -> Tensor | None:
    return torch.cat(parts, dim=1) if parts else None
