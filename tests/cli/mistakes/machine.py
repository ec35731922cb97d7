"""What depends on the machine, which is put in another state."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from cli.mistakes.beginnings import A, F

GPUS = "darkroom.commands.checking.devices.gpus"
NO_DISK, FULL = SimpleNamespace(total=0, free=0), SimpleNamespace(total=9, free=5)  # the first is what /proc is


def unlogged(path: str | Path, _: int) -> bool:
    """As os.access answers where somebody else's log lies in the folder."""
    return Path(path).name != "train.log"


ROWS: list[tuple[list[str], list[str], str, Callable]] = [  # the command line, words, what is patched, by what
    ([*A, "logs=locked"], ["logs=locked", "cannot be written to"], "os.access", lambda *_: False),
    ([*F, "data.root=flat"], ["data.root=flat", "may not be read"], "os.access", lambda path, _: path != "flat"),
    (A, ["logs=logs", "full", "0 MiB"], "shutil.disk_usage", lambda _: SimpleNamespace(total=99, free=5)),
    ([*A, "logs=proc/x"], ["logs=proc/x", "cannot be written to"], "shutil.disk_usage", lambda _: NO_DISK),
    ([*A, "trainer.accelerator=gpu"], ["trainer.accelerator=gpu", "no GPU"], GPUS, lambda: 0),
    (["resume=runs/first"], ["resume=", "runs/first/train.log cannot be written to", "chmod"], "os.access", unlogged),
    (["resume=runs/first"], ["resume=", "runs/first: the disk is full"], "shutil.disk_usage", lambda _: FULL),
    ([*A, "trainer=ddp", "trainer.devices=4"], ["trainer.devices=4", "is 1 GPU", "trainer.devices=1"], GPUS, lambda: 1),
    ([*A, "trainer.devices=4"], ["trainer.devices=4", "are 2 GPUs"], GPUS, lambda: 2),
]  # fmt: skip
