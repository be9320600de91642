"""Whether a build writes an update payload."""

import json

HELLO = ("hello", "app-misc/hello")
PAYLOAD = "flatcar_test_update-hello.gz"


def test_a_payload_can_be_left_out_and_an_earlier_one_goes(world, tmp_path):
    whole = world.build(*HELLO, output=tmp_path)
    assert PAYLOAD in {file["name"] for file in whole[0]["files"]}
    (image,) = world.build(*HELLO, "--no-payload", output=tmp_path)
    assert not (tmp_path / PAYLOAD).exists()
    assert image["root_hash"] == whole[0]["root_hash"]
    manifest = json.loads((tmp_path / "hello_manifest.json").read_text())
    assert [key["purpose"] for key in manifest["keys"]] == ["image"]
    assert world.build(*HELLO, "--no-payload", output=tmp_path)[0]["reused"]
    assert PAYLOAD in {file["name"] for file in world.build(*HELLO, output=tmp_path)[0]["files"]}
