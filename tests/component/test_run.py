import os
import time

import pytest

from sysextlib.errors import MissingToolError, ToolError
from sysextlib.system.run import run


def test_a_program_sees_only_the_fixed_environment(monkeypatch):
    monkeypatch.setenv("USE", "leak")
    seen = run(["env"], env={"A": "1"}).stdout.decode().split()
    assert {line.split("=")[0] for line in seen} == {"PATH", "LC_ALL", "TZ", "HOME", "A"}


def test_a_failure_tells_a_command_that_can_be_pasted_and_the_last_lines():
    with pytest.raises(ToolError) as caught:
        run(["sh", "-c", "echo 'one line' >&2; exit 3"])
    assert caught.value.brief == "sh failed with exit code 3"
    assert caught.value.facts == {
        "command": "sh -c 'echo '\"'\"'one line'\"'\"' >&2; exit 3'",
        "last output": "one line",
    }


def test_a_missing_program_is_its_own_error():
    with pytest.raises(MissingToolError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_program_that_takes_too_long_is_killed_with_its_children():
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"did not end within 0\.2 seconds"):
        run(["sh", "-c", "sleep 60 & sleep 60"], timeout=0.2)
    assert time.monotonic() - started < 5


def test_input_is_streamed_while_output_is_collected():
    block = os.urandom(1 << 16)

    def feed(stream):
        for _ in range(64):
            stream.write(block)

    assert run(["cat"], feed=feed).stdout == block * 64


def test_a_program_that_stops_reading_early_is_judged_by_its_exit_code():
    def feed(stream):
        for _ in range(1000):
            stream.write(bytes(1 << 16))

    assert run(["true"], feed=feed).code == 0
    with pytest.raises(ToolError, match="exit code 1"):
        run(["false"], feed=feed)


def test_an_error_of_the_feeder_is_the_one_you_see():
    def feed(stream):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(["cat"], feed=feed)
