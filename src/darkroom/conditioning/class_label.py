"""The class of a picture as one learned vector (recipes.md sections 5 and 9.6)."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from darkroom.conditioning.facts import Facts
from darkroom.contracts import Condition, ConditionSpec, Prompts


class ClassLabel(nn.Module):
    """An embedding row a class and one more for "no class": ``Condition.vector`` [b, width].

    The names let a trained run be asked for a class by name, without the data that it saw.
    """

    def __init__(
        self,
        num_classes: int,  # labels are 0..num_classes-1
        width: int,
        names: Sequence[str] = (),  # of the first classes, in the order of the labels
    ):
        super().__init__()
        if len(names) > num_classes:
            raise ValueError(f"conditioner.names has {len(names)} names for conditioner.num_classes={num_classes}")
        self.num_classes = num_classes
        self.names = tuple(names)
        self.embedding = nn.Embedding(num_classes + 1, width)  # the last row is the null condition (DiT)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.spec = ConditionSpec(vector=width)

    @property
    def row_meanings(self) -> dict[str, Sequence[str | None]]:
        """What each row of a weight stands for, so that another run can take the rows that mean the same there."""
        unnamed = [f"class {number}" for number in range(len(self.names), self.num_classes)]
        return {"embedding.weight": [*self.names, *unnamed, None]}

    @staticmethod
    def completed(arguments: dict[str, Any], facts: Facts) -> dict[str, Any]:
        """The constructor's arguments with names and number of the classes read from the data where not given.

        Raises ValueError where the data has no classes, more than a given ``num_classes``, or others than given.
        """
        if not facts.classes:
            raise ValueError(
                "conditioner=class_label wants classes, but the data has none; "
                "put each class into a sub-folder, or use conditioner=auto or conditioner=none"
            )
        num_classes = arguments.get("num_classes", len(facts.classes))
        if num_classes < len(facts.classes):
            raise ValueError(
                f"conditioner.num_classes={num_classes} is too few for the {len(facts.classes)} classes of the data; "
                "leave it out to have it counted"
            )
        names = list(arguments.get("names", facts.classes))
        if names != list(facts.classes):
            raise ValueError(
                f"conditioner.names are {', '.join(names)}, but the data has the classes {', '.join(facts.classes)}; "
                "leave them out to have them read, or give the data that they came from"
            )
        return arguments | {"num_classes": num_classes, "names": names}

    def check(self, label: Int64[Tensor, " b"]) -> None:
        """Raises ValueError for a label outside of 0..num_classes-1."""
        wrong = label[(label < 0) | (label >= self.num_classes)]
        if len(wrong):
            raise ValueError(
                f"label={wrong[0].item()} is not one of the {self.num_classes} classes, 0 to {self.num_classes - 1}"
            )

    def forward(self, prompts: Prompts, drop: Bool[Tensor, " b"] | None = None) -> Condition:
        """Raises ValueError where there are no labels, or (labels on the CPU) where one is out of range."""
        if prompts.label is None:
            raise ValueError("conditioner=class_label wants a label for each picture, but none was given; set label=")
        if prompts.label.device.type == "cpu":  # elsewhere it would wait for the device; the look-up asserts there
            self.check(prompts.label)
        label = prompts.label.to(self.embedding.weight.device)
        if drop is not None:
            label = torch.where(drop.to(label.device), self.num_classes, label)
        return Condition(vector=self.embedding(label))
