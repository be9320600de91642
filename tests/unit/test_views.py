"""How a build shows itself."""

import pytest

from sysextlib.cli.views import Live, Plain


@pytest.mark.parametrize("view", [Live, Plain])
@pytest.mark.parametrize("title", ["Pack /tmp/[/x]", "Pack /tmp/[red]"])
def test_brackets_in_a_step_are_shown_and_mean_nothing(capsys, view, title):
    with view() as screen:
        progress = screen.build("name")
        with progress.step(title):
            progress.note(title)
        with pytest.raises(ValueError, match="over"), progress.step(title):
            raise ValueError("over")
    shown = " ".join(capsys.readouterr().err.split())
    assert shown.count(title) == 3
