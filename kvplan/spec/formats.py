"""How a cached element is stored: elements come in groups, and a group costs whole bytes, its scale included.

One line names one format. A scale that lives beside the weights (one a tensor or channel) is not in the cache and costs
nothing here; a scale stored with each group of elements is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A storage format of cached elements.

    group_elements: elements that are stored together. [elements]
    group_bytes: what such a group costs, its own scale included. [bytes]
    scale: where the scales are, in words.
    source: who says so.
    """

    name: str
    group_elements: int
    group_bytes: int
    scale: str
    source: str

    @property
    def bits_per_element(self) -> float:
        """Bits of one element, its part of the scale included."""
        return self.group_bytes * 8 / self.group_elements

    def divides(self, width: int) -> bool:
        """Whether a vector of ``width`` elements is a whole number of groups."""
        return width % self.group_elements == 0

    def vector_bytes(self, width: int) -> int:
        """Bytes of one vector of ``width`` elements, as one head stores for one token.

        Raises: ValueError if the width is not a whole number of groups.
        """
        groups, rest = divmod(width, self.group_elements)
        if rest:
            message = f"{self.name} stores {self.group_elements} elements together; {width} is not a multiple"
            raise ValueError(message)
        return groups * self.group_bytes


_PLAIN = "no scale"
_OUTSIDE = "one scale a tensor, kept with the weights"
_GGML = "gguf 0.19.0, GGML_QUANT_SIZES"

FORMATS: Mapping[str, Format] = {
    item.name: item
    for item in (
        Format("fp32", 1, 4, _PLAIN, "IEEE 754 binary32"),
        Format("fp16", 1, 2, _PLAIN, "IEEE 754 binary16"),
        Format("bf16", 1, 2, _PLAIN, "bfloat16"),
        Format("fp8_e4m3", 1, 1, _OUTSIDE, "OCP 8-bit floating point, E4M3"),
        Format("fp8_e5m2", 1, 1, _OUTSIDE, "OCP 8-bit floating point, E5M2"),
        Format("int8", 1, 1, _OUTSIDE, "8-bit integers with static scales"),
        Format("int4", 2, 1, _OUTSIDE, "4-bit integers, two a byte, with static scales"),
        Format("nvfp4", 16, 9, "one fp8 scale for 16 elements", "vLLM utils/torch_utils.py: width/2 + width/16 bytes"),
        Format("mxfp4", 32, 17, "one 8-bit exponent for 32 elements", _GGML + ", MXFP4 (32, 17)"),
        Format("q8_0", 32, 34, "one fp16 scale for 32 elements", _GGML + ", Q8_0 (32, 34)"),
        Format("q4_0", 32, 18, "one fp16 scale for 32 elements", _GGML + ", Q4_0 (32, 18)"),
    )
}

ALIASES: Mapping[str, str] = {
    "fp8": "fp8_e4m3",
    "float32": "fp32",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "f32": "fp32",
    "f16": "fp16",
    "e4m3": "fp8_e4m3",
    "e5m2": "fp8_e5m2",
}

# Formats that engines know and kvplan does not count yet: refused by name, never taken for a neighbour.
LATER: frozenset[str] = frozenset(
    {
        "fp8_per_token_head", "int8_per_token_head", "int4_per_token_head", "fp8_ds_mla", "nvfp4_ds_mla", "mxfp8",
        "turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc",
        "q4_1", "q5_0", "q5_1", "iq4_nl",
    }
)  # fmt: skip


def format_names() -> list[str]:
    """Every name that a user may write, aliases last."""
    return [*FORMATS, *ALIASES]


def format_by_name(name: str) -> Format:
    """The format of a name or alias.

    Raises: KeyError if there is none.

    >>> format_by_name("fp8").name, format_by_name("q8_0").vector_bytes(128)
    ('fp8_e4m3', 136)
    """
    return FORMATS[ALIASES.get(name, name)]


@dataclass(frozen=True)
class KVFormat:
    """How K and V are stored; a latent cache (MLA) has no V and uses ``k``."""

    k: Format
    v: Format

    @property
    def name(self) -> str:
        """``fp8_e4m3``, or ``k=q8_0,v=q4_0`` where they differ."""
        return self.k.name if self.k == self.v else f"k={self.k.name},v={self.v.name}"

    @property
    def splits(self) -> bool:
        """Whether K and V are stored in different formats."""
        return self.k != self.v
