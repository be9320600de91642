"""bash quotes the same text the same way, and reads the stamp back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysextlib.gentoo.arch import Arch
from sysextlib.image.release import ExtensionRelease, bash_quote
from sysextlib.system.run import run
from tests.builders.needs import require_tool

pytestmark = [pytest.mark.oracle, pytest.mark.tool]


def bash(program: str, *arguments: str) -> str:
    return run(["bash", "-c", program, "bash", *arguments]).stdout.decode()


# Characters that every Unicode version in use knows, and those that bash has a special way with.
TEXTS = st.lists(
    st.text(
        st.characters(max_codepoint=0x36F, exclude_characters="\0")
        | st.sampled_from("'\"\\$`\n\t\x1b\x7f\u00a0\u200b\u2028\u20ac\ufeff\U0001f600"),
        max_size=12,
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_bash_quotes_every_text_the_same(texts):
    require_tool("bash")
    quoted = bash('for x; do printf "%s\\0" "${x@Q}"; done', *texts)
    assert quoted.split("\0")[:-1] == [bash_quote(text) for text in texts]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_bash_reads_every_quoted_text_back(texts):
    require_tool("bash")
    words = " ".join(map(bash_quote, texts))
    assert (
        bash(f"printf '%s\\0' {words}").split("\0")[: len(texts)] == (texts or [""])[: len(texts)]
    )


def test_bash_sources_a_stamp_to_the_values_that_went_in():
    require_tool("bash")
    release = ExtensionRelease(
        name="oem-x",
        os_id="flatcar",
        version_id="1.2",
        arch=Arch.ARM64,
        sysext_name='Bob\'s $(touch /tmp/x) `id` \\ "cloud"\nline',
        home_url="https://a https://b",
    )
    seen = bash(
        f'{release.text()}printf \'%s\\0\' "$ID" "$ARCHITECTURE" "$SYSEXT_NAME" '
        '"$SYSEXT_HOME_URL" "$EXTENSION_RELOAD_MANAGER"'
    )
    assert seen.split("\0")[:-1] == [
        "flatcar",
        "arm64",
        release.sysext_name,
        "https://a https://b",
        "1",
    ]
