import csv

import pytest
import torch

from darkroom.runs.metrics_file import MetricsFile, read_metrics


def table(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_row_is_there_as_soon_as_it_is_logged_and_columns_may_come_late(tmp_path):
    logger = MetricsFile(tmp_path)
    logger.log_metrics({"train/loss": 0.5, "epoch": 0}, step=9)
    assert table(tmp_path) == [{"step": "10", "train/loss": "0.5"}]
    logger.log_metrics({"val/psnr": 31.25, "epoch": 0}, step=9)
    logger.log_metrics({"train/loss": 0.25}, step=19)
    assert table(tmp_path) == [
        {"step": "10", "train/loss": "0.5", "val/psnr": ""},
        {"step": "10", "train/loss": "", "val/psnr": "31.25"},
        {"step": "20", "train/loss": "0.25", "val/psnr": ""},
    ]


def test_a_known_column_appends_and_does_not_write_the_file_anew(tmp_path):
    logger = MetricsFile(tmp_path)
    logger.log_metrics({"loss": 1.0}, step=0)
    before = (tmp_path / "metrics.csv").stat()
    for step in range(1, 50):
        logger.log_metrics({"loss": 1.0}, step=step)
    after = (tmp_path / "metrics.csv").stat()
    assert after.st_ino == before.st_ino
    assert after.st_size > before.st_size


def test_a_resumed_run_doubles_no_row(tmp_path):
    first = MetricsFile(tmp_path)
    for step in (10, 20, 30, 40):
        first.log_metrics({"loss": float(step)}, step=step - 1)
    first.log_metrics({"val": 1.0}, step=39)
    resumed = MetricsFile(tmp_path)  # killed after 40, its last checkpoint is of step 20
    resumed.log_metrics({"loss": 300.0, "new": 1.0}, step=29)
    assert [(row["step"], row["loss"]) for row in table(tmp_path)] == [("10", "10"), ("20", "20"), ("30", "300")]
    assert list(table(tmp_path)[0]) == ["step", "loss", "val", "new"]


def test_a_row_that_a_kill_cut_short_is_left_out_by_the_next_run(tmp_path):
    MetricsFile(tmp_path).log_metrics({"loss": 1.0, "norm": 2.0}, step=9)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("20,0.5,0.12")  # of 0.1234
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == ["10"]
    MetricsFile(tmp_path).log_metrics({"loss": 3.0, "norm": 4.0}, step=29)
    assert [(row["step"], row["loss"]) for row in table(tmp_path)] == [("10", "1"), ("30", "3")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e-30, 123456.7, 1 / 3, torch.pi])
def test_values_come_back_to_the_bit(tmp_path, value):
    value = torch.tensor(value).item()  # as Lightning hands it over
    MetricsFile(tmp_path).log_metrics({"loss": value}, step=0)
    found = torch.tensor(float(table(tmp_path)[0]["loss"]))
    assert torch.equal(found, torch.tensor(value)) or (found.isnan() and value != value)


def test_values_are_no_longer_than_they_must_be(tmp_path):
    MetricsFile(tmp_path).log_metrics({"loss": torch.tensor(0.1).item(), "rate": 3.0}, step=0)
    assert (table(tmp_path)[0]["loss"], table(tmp_path)[0]["rate"]) == ("0.1", "3")
