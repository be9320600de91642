"""Other programs read what we write: protobuf's own library, openssl and bzip2."""

import hashlib
import struct
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from sysextlib.errors import ToolError
from sysextlib.payload.format import (
    Extent,
    FormatError,
    Info,
    Operation,
    PayloadManifest,
    decode_manifest,
    encode_manifest,
)
from sysextlib.system.run import run
from tests.builders.needs import require_tool
from tests.builders.payload import noise, payload_key, payload_of, prose, public_pem

pytestmark = pytest.mark.oracle
MIB = 1 << 20

# Number, name, type and label of each field, as update_engine's update_metadata.proto states them.
MESSAGES = {
    "Extent": [(1, "start_block", "uint64", ""), (2, "num_blocks", "uint64", "")],
    "Info": [(1, "size", "uint64", ""), (2, "hash", "bytes", "")],
    "Operation": [
        (1, "type", "uint32", "required"),
        (2, "data_offset", "uint32", ""),
        (3, "data_length", "uint32", ""),
        (4, "src_extents", "Extent", "repeated"),
        (5, "src_length", "uint64", ""),
        (6, "dst_extents", "Extent", "repeated"),
        (7, "dst_length", "uint64", ""),
        (8, "data_sha256_hash", "bytes", ""),
    ],
    "Procedure": [
        (1, "type", "uint32", ""),
        (2, "operations", "Operation", "repeated"),
        (3, "old_info", "Info", ""),
        (4, "new_info", "Info", ""),
    ],
    "Manifest": [
        (1, "partition_operations", "Operation", "repeated"),
        (2, "noop_operations", "Operation", "repeated"),
        (3, "block_size", "uint32", ""),
        (4, "signatures_offset", "uint64", ""),
        (5, "signatures_size", "uint64", ""),
        (8, "old_partition_info", "Info", ""),
        (9, "new_partition_info", "Info", ""),
        (10, "procedures", "Procedure", "repeated"),
    ],
    "Signature": [(1, "version", "uint32", ""), (2, "data", "bytes", "")],
    "Signatures": [(1, "signatures", "Signature", "repeated")],
}


def protobuf_classes():
    file = descriptor_pb2.FileDescriptorProto(name="payload.proto", package="p", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, label, kind, rule in fields:
            item = message.field.add(name=label, number=number)
            item.label = getattr(field, f"LABEL_{(rule or 'optional').upper()}")
            if kind in MESSAGES:
                item.type, item.type_name = field.TYPE_MESSAGE, f".p.{kind}"
            else:
                item.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p.{name}"))
        for name in MESSAGES
    }


CLASSES = protobuf_classes()


def split(data):
    magic, version, length = struct.unpack(">4sQQ", data[:20])
    assert (magic, version) == (b"CrAU", 1)
    manifest = CLASSES["Manifest"].FromString(data[20 : 20 + length])
    return manifest, data[20 + length :]


@pytest.mark.tool
def test_protobuf_openssl_and_bzip2_rebuild_the_image_from_the_payload(tmp_path):
    require_tool("openssl", "bzip2")
    image = prose(MIB) + noise(MIB) + bytes(MIB) + prose(8192)
    facts = payload_of(tmp_path, image, "one", "two")
    data = facts.path.read_bytes()
    manifest, rest = split(data)
    rebuilt = bytearray()
    for operation in manifest.partition_operations:
        blob = rest[operation.data_offset :][: operation.data_length]
        assert hashlib.sha256(blob).digest() == operation.data_sha256_hash
        assert operation.dst_extents[0].start_block * 4096 == len(rebuilt)
        rebuilt += run(["bzip2", "-dc"], feed=blob).stdout if operation.type == 1 else blob
    assert bytes(rebuilt) == image
    assert manifest.new_partition_info.hash == hashlib.sha256(image).digest()
    tail = rest[manifest.signatures_offset :]
    assert len(tail) == manifest.signatures_size
    signatures = CLASSES["Signatures"].FromString(tail).signatures
    assert [item.version for item in signatures] == [1, 2]
    (tmp_path / "signed").write_bytes(data[: len(data) - len(tail)])
    for item, name in zip(signatures, ("one", "two"), strict=True):
        openssl_verify(tmp_path, payload_key(tmp_path, name), item.data)
    with pytest.raises(ToolError):
        openssl_verify(tmp_path, payload_key(tmp_path, "one"), signatures[1].data)


def openssl_verify(folder: Path, key, signature: bytes):
    (folder / "sig").write_bytes(signature)
    (folder / "pub.pem").write_bytes(public_pem(key))
    verify = ["openssl", "dgst", "-sha256", "-verify", folder / "pub.pem"]
    run([*verify, "-signature", folder / "sig", folder / "signed"])


@pytest.mark.tool
def test_the_stored_chunks_are_what_the_bzip2_program_writes(tmp_path):
    require_tool("bzip2")
    image = prose(MIB)
    manifest, rest = split(payload_of(tmp_path, image).path.read_bytes())
    stored = rest[: manifest.partition_operations[0].data_length]
    assert stored == run(["bzip2", "-9", "-c"], feed=image).stdout


NUMBERS = st.integers(0, 2**64 - 1)
OPERATIONS = st.builds(
    Operation,
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(st.builds(Extent, NUMBERS, NUMBERS), max_size=2).map(tuple),
    st.none() | st.binary(max_size=32),
)
MANIFESTS = st.builds(
    PayloadManifest,
    operations=st.lists(OPERATIONS, max_size=3).map(tuple),
    noops=st.lists(OPERATIONS, max_size=2).map(tuple),
    signatures_offset=st.none() | NUMBERS,
    signatures_size=st.none() | NUMBERS,
    new=st.none() | st.builds(Info, NUMBERS, st.binary(max_size=32)),
)


@given(MANIFESTS)
def test_protobuf_serialises_a_manifest_to_the_same_bytes(manifest):
    encoded = encode_manifest(manifest)
    message = CLASSES["Manifest"].FromString(encoded)
    assert message.SerializeToString(deterministic=True) == encoded
    assert message.block_size == 4096
    assert [item.type for item in message.partition_operations] == [
        item.type for item in manifest.operations
    ]


@settings(max_examples=500)
@given(MANIFESTS, st.randoms(use_true_random=False))
def test_what_we_read_from_damaged_bytes_is_what_protobuf_reads(manifest, rng):
    data = bytearray(encode_manifest(manifest))
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)
    try:
        ours = decode_manifest(bytes(data))
    except FormatError:
        return  # we are stricter: duplicates, 32 bits, limits
    theirs = CLASSES["Manifest"].FromString(bytes(data))
    assert [item.type for item in ours.operations] == [
        item.type for item in theirs.partition_operations
    ]
    assert (ours.signatures_offset or 0) == theirs.signatures_offset
    assert ((ours.new and ours.new.size) or 0) == theirs.new_partition_info.size
