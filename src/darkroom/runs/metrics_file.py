"""metrics.csv: one row a logged step, appended and flushed, a whole table at any moment.

A wide table is what a spreadsheet or ``pandas.read_csv`` wants, but columns appear late (validation, samples). So a row
is appended as long as its columns are known, and the file is rewritten, at once and under the same name, when a column
is new: a handful of times a run, not at every flush.
"""

import csv
import io
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from darkroom.files import naming, write_text
from darkroom.runs.folder import Run

_STEP = "step"


class MetricsFile(Logger):
    """Writes ``<folder>/metrics.csv``. ``step`` is the number of optimizer steps done.

    Training and validation of one step are two rows. A resumed run repeats steps: on its first row, rows of that step
    and of later ones are dropped, so that none is doubled.
    """

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self._path = Run(Path(folder)).metrics
        self._columns: list[str] = []
        self._file: TextIO | None = None

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return self._path.parent.name

    @property
    def save_dir(self) -> str:
        return str(self._path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run folder holds config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """``step`` as Lightning counts it: of the last step, from 0."""
        row: dict[str, Any] = {_STEP: (step or 0) + 1}
        row |= {
            name: _shortest(value) for name, value in metrics.items() if name != "epoch"
        }  # time is counted in steps
        if self._file is None:  # a new run, or one that goes on
            rows = [old for old in read_metrics(self._path) if int(old[_STEP]) < row[_STEP]]
            self._columns = list(dict.fromkeys(column for known in (*rows, row) for column in known))
            self._rewrite(rows)
        elif new := [column for column in row if column not in self._columns]:
            self._columns += new
            self._rewrite(read_metrics(self._path))
        self._append(row)

    @rank_zero_only
    def finalize(self, status: str) -> None:  # noqa: ARG002
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, row: Mapping[str, Any]) -> None:
        assert self._file is not None
        with naming(self._path):
            self._file.write(_lines([row], self._columns))  # one write a row: a reader never sees half of one
            self._file.flush()

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        if self._file is not None:
            self._file.close()
        header = dict(zip(self._columns, self._columns, strict=True))
        write_text(self._path, _lines([header, *rows], self._columns))
        self._file = self._path.open("a", encoding="utf-8", newline="")


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics.csv, empty where it does not exist; a last row that a kill cut short is left out."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return list(csv.DictReader(whole.splitlines()))


def _shortest(value: float) -> str:
    """The fewest digits that tell a float32 from its neighbours."""
    return str(np.float32(value)).removesuffix(".0")


def _lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
    return text.getvalue()
