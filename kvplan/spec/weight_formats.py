"""How a checkpoint stores its weights: bits of a quantized matrix, its scales, and which matrices stay 16-bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple


class WeightFormat(NamedTuple):
    """How a quantized matrix is stored: elements of some bits, and scales for blocks of them.

    bits: of one element. [bits]
    block_rows, block_columns: outputs × inputs that share a scale; 0 for the whole side. [elements]
    scale_bytes: of one scale; 0 for none. [bytes]
    zero_bits: of one zero point beside each scale; 0 for none. [bits]
    column_bytes: of an entry for each input, such as the order of GPTQ's groups. [bytes]
    matrix_bytes: of what each matrix has once, such as a second scale. [bytes]
    source: who says so.
    """

    name: str
    bits: int
    block_rows: int
    block_columns: int
    scale_bytes: int
    source: str
    zero_bits: int = 0
    column_bytes: int = 0
    matrix_bytes: int = 0


class Kept(NamedTuple):
    """Matrices that a scheme leaves alone, by the names and patterns of its list.

    names: dotted names; one keeps every module whose path holds it as a run of whole parts.
    patterns: texts between wildcards, in order; one keeps every path that they match from end to end.
    """

    names: frozenset[str] = frozenset()
    patterns: tuple[tuple[str, ...], ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a module, such as ``model.layers.3.mlp.gate_proj``, is left alone.

        >>> Kept(frozenset({"mlp.gate"})).holds("model.layers.3.mlp.gate_proj")
        False
        >>> Kept(patterns=(("", "self_attn", ""),)).holds("model.layers.3.self_attn.q_proj")
        True
        """
        if self.names and not self.names.isdisjoint(_runs(path)):
            return True
        return any(_matches(pattern, path) for pattern in self.patterns)


def _runs(path: str) -> Iterator[str]:
    """Every run of whole parts of a dotted path."""
    parts = path.split(".")
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            yield ".".join(parts[start:end])


def _matches(pattern: tuple[str, ...], path: str) -> bool:
    """Whether texts stand in a path in order, the first at its start and the last at its end; no backtracking."""
    if len(pattern) == 1:
        return path == pattern[0]
    first, *between, last = pattern
    if len(path) < len(first) + len(last) or not path.startswith(first) or not path.endswith(last):
        return False
    at, end = len(first), len(path) - len(last)
    for text in between:
        at = path.find(text, at, end)
        if at < 0:
            return False
        at += len(text)
    return True


class WeightStorage(NamedTuple):
    """How a checkpoint stores its weights.

    element_bytes: of what is not quantized. [bytes]
    name: in words.
    quantized: the format of what is; None where nothing is.
    experts_only: whether only the routed experts are quantized.
    head: whether an untied head is quantized too.
    kept: matrices that are not, by name.
    """

    element_bytes: int
    name: str
    quantized: WeightFormat | None = None
    experts_only: bool = False
    head: bool = False
    kept: Kept = Kept()


SIXTEEN_BIT: Final = WeightStorage(element_bytes=2, name="16 bits")

_TORCH: Final = "torch.float8_e4m3fn: one byte an element"
_CHANNEL: Final = "vLLM 0.32 compressed_tensors/: an fp32 scale an output"
_OCP: Final = "OCP Microscaling Formats 1.0: 32 elements of 4 bits and an 8-bit exponent"
_NVIDIA: Final = "vLLM 0.32 quantization/modelopt.py: fp8 scales of 16 inputs; two fp32 scales a matrix"
_PACKED: Final = "vLLM 0.32 quantization: elements packed in int32, 16-bit scales of 128 inputs"

# What `weights: {format: …}` may name: quantized on loading, so that a checkpoint's own scheme does not count.
WEIGHT_FORMATS: Final[Mapping[str, WeightFormat]] = {
    item.name: item
    for item in (
        WeightFormat(name="fp8", bits=8, block_rows=0, block_columns=0, scale_bytes=4, source=_TORCH),
        WeightFormat(name="int8", bits=8, block_rows=1, block_columns=0, scale_bytes=4, source=_CHANNEL),
        WeightFormat(name="int4", bits=4, block_rows=1, block_columns=128, scale_bytes=2, source=_PACKED),
        WeightFormat(name="mxfp4", bits=4, block_rows=1, block_columns=32, scale_bytes=1, source=_OCP),
        WeightFormat(
            name="nvfp4", bits=4, block_rows=1, block_columns=16, scale_bytes=1, matrix_bytes=8, source=_NVIDIA
        ),
    )
}


def storage_named(name: str) -> WeightStorage:
    """Storage by one format for every matrix of the layers but routers: what a user asks for in place of the scheme.

    Raises: KeyError unless it is bf16, fp16 or one of WEIGHT_FORMATS.
    """
    quantized = None if name in ("bf16", "fp16") else WEIGHT_FORMATS[name]
    return WeightStorage(element_bytes=2, name=name, quantized=quantized)
