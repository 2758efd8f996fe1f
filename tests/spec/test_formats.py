"""Formats: bytes of a vector, by group, and names that are read, aliased or refused."""

import pytest

from kvplan.spec.formats import ALIASES, FORMATS, LATER, KVFormat, format_by_name, format_names


@pytest.mark.parametrize(
    ("name", "size", "bits"),
    [
        ("fp32", 512, 32),
        ("fp16", 256, 16),
        ("bf16", 256, 16),
        ("fp8_e4m3", 128, 8),
        ("fp8_e5m2", 128, 8),
        ("int8", 128, 8),
        ("int4", 64, 4),
        ("nvfp4", 72, 4.5),  # 128/2 + 128/16
        ("mxfp4", 68, 4.25),  # 128/2 + 128/32
        ("q8_0", 136, 8.5),  # 4 groups of 32 + 2
        ("q4_0", 72, 4.5),  # 4 groups of 16 + 2
    ],
)
def test_bytes_of_a_head_of_128(name, size, bits):
    assert (FORMATS[name].vector_bytes(128), FORMATS[name].bits_per_element) == (size, bits)
    assert type(FORMATS[name].vector_bytes(128)) is int


def test_every_format_is_in_the_table_above():
    assert len(FORMATS) == 11
    assert all(format.name == name and format.scale and format.source for name, format in FORMATS.items())


@pytest.mark.parametrize(("name", "width"), [("int4", 127), ("nvfp4", 120), ("mxfp4", 80), ("q8_0", 80), ("q4_0", 33)])
def test_a_width_that_is_no_whole_number_of_groups_is_refused(name, width):
    assert not FORMATS[name].divides(width)
    with pytest.raises(ValueError, match=f"{name} stores .* elements together; {width} is not a multiple"):
        FORMATS[name].vector_bytes(width)


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
def test_bytes_grow_with_whole_groups(format):
    assert [format.vector_bytes(groups * format.group_elements) for groups in range(4)] == [
        groups * format.group_bytes for groups in range(4)
    ]


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("fp8", "fp8_e4m3"),
        ("float32", "fp32"),
        ("float16", "fp16"),
        ("half", "fp16"),
        ("bfloat16", "bf16"),
        ("f32", "fp32"),
        ("f16", "fp16"),
        ("e4m3", "fp8_e4m3"),
        ("e5m2", "fp8_e5m2"),
        ("q8_0", "q8_0"),
    ],
)
def test_names_and_aliases(alias, name):
    assert format_by_name(alias) is FORMATS[name]
    assert alias in format_names()


def test_no_name_means_two_things():
    names = [*FORMATS, *ALIASES, *LATER]
    assert len(names) == len(set(names))
    assert set(ALIASES.values()) <= set(FORMATS)


@pytest.mark.parametrize("name", ["", "FP8", "fp7", *sorted(LATER)])
def test_other_names_have_no_format(name):
    with pytest.raises(KeyError):
        format_by_name(name)


@pytest.mark.parametrize(
    ("k", "v", "name", "splits"),
    [("bf16", "bf16", "bf16", False), ("fp8", "fp8_e4m3", "fp8_e4m3", False), ("q8_0", "q4_0", "k=q8_0,v=q4_0", True)],
)
def test_k_and_v(k, v, name, splits):
    kv = KVFormat(format_by_name(k), format_by_name(v))
    assert (kv.name, kv.splits) == (name, splits)
