"""Rows of several processes, put together as if one had computed them."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer

from darkroom.callbacks.gathering import gathered


class Beside(Trainer):
    """A process beside ``others``, whose tensors it gathers call by call: lengths, indices, rows."""

    strategy = None

    def __init__(self, *others):
        def together(part):
            calls.append(part)
            return torch.stack([part, *(each[len(calls) - 1] for each in others)])

        calls = []
        self.strategy = SimpleNamespace(root_device=torch.device("cpu"), all_gather=together)


def other(index, width, longest):
    """What a process with ``index`` gives: row i is all i."""
    rows = torch.tensor(index, dtype=torch.float32)[:, None].expand(-1, width)
    missing = longest - len(index)
    return [
        torch.tensor(len(index)),
        F.pad(torch.tensor(index), (0, missing), value=-1),
        F.pad(rows, (0, 0, 0, missing), value=-1),
    ]


def rows_of(index, width=2):
    return torch.tensor(index, dtype=torch.float32)[:, None].expand(-1, width)


def test_rows_come_in_the_order_of_their_index_however_they_were_dealt():
    found = gathered(Beside(other([2, 3], 2, 3)), torch.tensor([4, 0, 1]), rows_of([4, 0, 1]), 5)
    assert torch.equal(found, rows_of([0, 1, 2, 3, 4]))


def test_a_process_with_fewer_rows_is_filled_up_on_the_way_alone():
    found = gathered(Beside(other([0, 3, 2], 2, 3)), torch.tensor([1]), rows_of([1]), 4)
    assert torch.equal(found, rows_of([0, 1, 2, 3]))


@pytest.mark.parametrize("theirs", [[1, 3], [0, 2]], ids=["doubled", "missing"])
def test_doubled_and_missing_rows_are_refused(theirs):
    with pytest.raises(ValueError, match="missing or came twice"):
        gathered(
            Beside(other(theirs, 2, 2)),
            torch.tensor([0, 1]) if 3 in theirs else torch.tensor([3, 4]),
            rows_of([0, 1]),
            4,
        )


def test_a_part_of_the_pictures_is_refused():
    with pytest.raises(ValueError, match="of 5 pictures some are missing"):
        gathered(Beside(other([0, 3, 2], 2, 3)), torch.tensor([1]), rows_of([1]), 5)
