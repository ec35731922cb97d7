"""How many steps a run has done is told from its checkpoints, as far as they are whole."""

from pathlib import Path
from zipfile import ZipFile

from darkroom.commands.checking.argv import read
from darkroom.commands.checking.overrides import Vocabulary
from darkroom.commands.checking.resume import resume_faults

CONF = Path(__file__).resolve().parents[3] / "conf"


def test_steps_of_a_torn_checkpoint_are_not_done(tmp_path):
    (tmp_path / "config.yaml").write_text("stage: {}\nmax_steps: 100\n")
    (tmp_path / "checkpoints").mkdir()
    for step in (50, 100):
        ZipFile(tmp_path / "checkpoints" / f"step-{step:08d}.ckpt", "w").close()

    def faults() -> list[str]:
        return resume_faults(read([f"resume={tmp_path}", "max_steps=90"]), Vocabulary.of(CONF))

    [fault] = faults()
    assert "has done 100 steps" in fault
    (tmp_path / "checkpoints" / "step-00000100.ckpt").write_bytes(b"torn")
    assert faults() == []
