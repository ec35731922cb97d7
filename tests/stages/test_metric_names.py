"""What a stage says that it logs is what it logs."""

import pytest
from tiny import AUTOENCODER, DIFFUSION, train

from darkroom.build import build

# the last three are the callbacks'
OTHERS = {"step", "val/prompt_accuracy", "speed/distribution_share", "speed/samples_share"}


@pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")
@pytest.mark.parametrize("recipe", [AUTOENCODER, DIFFUSION], ids=["autoencoder", "diffusion"])
def test_a_stage_declares_all_that_it_logs_and_nothing_else(tmp_path, recipe):
    run = train(tmp_path / "runs" / "named", recipe, "max_steps=4", "callback.gradient_norm=null")
    header = run.metrics.read_text().splitlines()[0].split(",")
    assert set(build(run.config.stage).metric_names) == {*header} - OTHERS
