"""What is said of a training at its end."""

from darkroom.commands.ending import close
from darkroom.runs.folder import Run


def test_the_closing_line_names_the_folder_whatever_its_name_holds(tmp_path, capsys):
    run = Run(tmp_path / "my logs, [old][/b] :cat:")
    close(run, [])
    assert capsys.readouterr().out == f"the run:               {run.path}\n"
