"""No condition at all: what an unconditional model is steered by."""

from typing import Any

from jaxtyping import Bool
from torch import Tensor, nn

from darkroom.conditioning.facts import Facts
from darkroom.contracts import Condition, ConditionSpec, Prompts


class NoCondition(nn.Module):
    """Whatever the prompts say, the condition is empty; its null condition is the same."""

    spec = ConditionSpec()

    @staticmethod
    def completed(arguments: dict[str, Any], facts: Facts) -> dict[str, Any]:  # noqa: ARG004
        """Nothing to learn from the data, and nothing to refuse."""
        return arguments

    def forward(self, prompts: Prompts, drop: Bool[Tensor, " b"] | None = None) -> Condition:  # noqa: ARG002
        return Condition()
