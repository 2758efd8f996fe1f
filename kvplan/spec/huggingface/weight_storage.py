"""A checkpoint's own scheme of quantized weights ▸ how each matrix is stored, and which matrices stay 16-bit.

Read quietly, as sizes.py: a scheme that is not known here is a reason why weights cannot be counted, not a finding.
Source: vLLM 0.32 model_executor/layers/quantization/, one function a method below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kvplan.spec.huggingface.config import Config
from kvplan.spec.huggingface.kept_modules import read_kept
from kvplan.spec.kinds import shown
from kvplan.spec.tree import Tree
from kvplan.spec.weight_formats import SIXTEEN_BIT, WEIGHT_FORMATS, WeightFormat, WeightStorage

Scheme = Mapping[str, Tree]
_FP32_SCALE, _HALF_SCALE, _BYTE_SCALE = 4, 2, 1


class _Unknown(Exception):
    """A scheme that cannot be counted, with the reason."""


def read_weight_storage(top: Config, text: Config) -> tuple[WeightStorage | None, str]:
    """How weights are stored; None with the reason where the scheme is not known."""
    scheme = next(
        (
            value
            for config in (top, text)
            for key in ("quantization_config", "compression_config")
            if isinstance(value := config.tree.get(key), dict)
        ),
        None,
    )
    if scheme is None:
        return SIXTEEN_BIT, ""
    method = str(scheme.get("quant_method", "")).lower().replace("_", "-")
    if not method and isinstance(scheme.get("producer"), dict):
        method = "modelopt"  # the older form names its producer
    read = _METHODS.get("modelopt" if method.startswith("modelopt") else method)
    if read is None:
        return None, f"weights stored by {shown(method or 'an unnamed method')} are not counted yet"
    try:
        return read(scheme), ""
    except _Unknown as error:
        return None, str(error)


def _fp8(scheme: Scheme) -> WeightStorage:
    """One byte an element, an fp32 scale a block or a matrix; fp8.py. DeepSeek-V3: README_WEIGHTS.md."""
    rows, columns = _block(scheme.get("weight_block_size")) if scheme.get("weight_block_size") else (0, 0)
    kept = scheme.get("modules_to_not_convert") or scheme.get("ignored_layers")
    return _stored(_format("fp8", 8, rows, columns, _FP32_SCALE, "vLLM 0.32 fp8.py"), kept)


def _mxfp4(scheme: Scheme) -> WeightStorage:
    """Routed experts alone, 4 bits and an 8-bit exponent for 32; mxfp4.py, and the gpt-oss model card."""
    return WeightStorage(
        element_bytes=2, quantized=WEIGHT_FORMATS["mxfp4"], experts_only=True, name="mxfp4 experts, 16 bits the rest"
    )


def _gptq(scheme: Scheme) -> WeightStorage:
    """Packed integers, an fp16 scale and a packed zero a group; with ``desc_act`` each input's group; auto_gptq.py."""
    for key in ("dynamic", "modules_in_block_to_quantize"):
        if scheme.get(key):
            raise _Unknown(f"gptq with {key} is not counted yet")
    bits, group = _whole(scheme, "bits", choices=(2, 3, 4, 8)), _group(scheme, "group_size")
    order, source = 4 if scheme.get("desc_act") is True else 0, "vLLM 0.32 auto_gptq.py"
    return _stored(
        _format(f"gptq int{bits}", bits, 1, group, _HALF_SCALE, source, zero_bits=bits, column_bytes=order),
        scheme.get("modules_to_not_convert"),
        head=scheme.get("lm_head") is True,
    )


def _awq(scheme: Scheme) -> WeightStorage:
    """Packed integers, an fp16 scale and, with ``zero_point``, a packed zero a group; auto_awq.py."""
    bits = _whole(scheme, "bits", "w_bit", choices=(4, 8))
    group = _group(scheme, "group_size", "q_group_size")
    zero_bits = bits if scheme.get("zero_point", True) else 0
    weights = _format(f"awq int{bits}", bits, 1, group, _HALF_SCALE, "vLLM 0.32 auto_awq.py", zero_bits=zero_bits)
    return _stored(weights, scheme.get("modules_to_not_convert"))


def _compressed_tensors(scheme: Scheme) -> WeightStorage:
    """One group of all linear layers: integers or floats of some bits, scales by strategy; compressed_tensors/."""
    groups = scheme.get("config_groups")
    if not groups:
        return SIXTEEN_BIT
    first = next(iter(groups.values())) if isinstance(groups, dict) and len(groups) == 1 else None
    weights = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(weights, dict):
        raise _Unknown("compressed-tensors with several or strange config_groups is not counted yet")
    if first.get("targets") != ["Linear"]:
        raise _Unknown(f"compressed-tensors with targets {shown(first.get('targets'))} is not counted yet")
    bits, kind = _whole(weights, "num_bits", choices=(4, 8)), weights.get("type", "int")
    strategy = weights.get("strategy") or ("group" if weights.get("group_size") else "tensor")
    source, name = "vLLM 0.32 compressed_tensors/", f"compressed-tensors {kind}{bits}"
    scale = _HALF_SCALE if strategy == "group" else _FP32_SCALE
    zero_bits = bits if weights.get("symmetric", True) is False else 0
    if strategy == "tensor_group" or (kind == "float" and bits == 4):
        return _stored(_four_bit_floats(weights), scheme.get("ignore"))
    if strategy == "block":
        rows, columns = _block(weights.get("block_structure"))
    elif strategy == "group":
        rows, columns = 1, _group(weights, "group_size")
    elif strategy in ("channel", "tensor"):
        rows, columns = (1, 0) if strategy == "channel" else (0, 0)
    else:
        raise _Unknown(f"compressed-tensors with strategy {shown(strategy)} is not counted yet")
    return _stored(_format(name, bits, rows, columns, scale, source, zero_bits=zero_bits), scheme.get("ignore"))


def _four_bit_floats(weights: Scheme) -> WeightFormat:
    """nvfp4 in groups of 16, mxfp4 in groups of 32."""
    formats = {16: WEIGHT_FORMATS["nvfp4"], 32: WEIGHT_FORMATS["mxfp4"]}
    group = _whole(weights, "group_size", choices=tuple(formats))
    return formats[group]


def _modelopt(scheme: Scheme) -> WeightStorage:
    """FP8 and NVFP4 by ``quant_algo``; modelopt.py. Lists of other tools' names are read alike."""
    nested = scheme.get("quantization")
    levels = [nested, scheme] if isinstance(nested, dict) else [scheme]
    algorithm = next((level["quant_algo"] for level in levels if level.get("quant_algo")), None)
    kept = next((level[key] for level in levels for key in ("exclude_modules", "ignore") if level.get(key)), None)
    source = "vLLM 0.32 modelopt.py"
    formats = {
        "FP8": WEIGHT_FORMATS["fp8"],
        "FP8_PER_CHANNEL_PER_TOKEN": _format("fp8", 8, 1, 0, _FP32_SCALE, source),
        "FP8_PB_WO": _format("fp8", 8, 128, 128, _FP32_SCALE, source),
        "MXFP8": _format("mxfp8", 8, 1, 32, _BYTE_SCALE, source),
        "NVFP4": WEIGHT_FORMATS["nvfp4"],
        "W4A16_NVFP4": WEIGHT_FORMATS["nvfp4"],
    }
    found = formats.get(algorithm.upper()) if isinstance(algorithm, str) else None
    if found is None:
        raise _Unknown(f"modelopt with quant_algo {shown(algorithm)} is not counted yet")
    return _stored(found, kept)


_METHODS: Mapping[str, Callable[[Scheme], WeightStorage]] = {
    "fp8": _fp8,
    "mxfp4": _mxfp4,
    "gptq": _gptq,
    "awq": _awq,
    "compressed-tensors": _compressed_tensors,
    "modelopt": _modelopt,
}


def _stored(weights: WeightFormat, listed: Tree, *, head: bool = False) -> WeightStorage:
    kept, problem = read_kept(listed)
    if problem:
        raise _Unknown(problem)
    return WeightStorage(element_bytes=2, quantized=weights, head=head, kept=kept, name=weights.name)


def _format(
    name: str, bits: int, rows: int, columns: int, scale: int, source: str, *, zero_bits: int = 0, column_bytes: int = 0
) -> WeightFormat:
    return WeightFormat(
        name=name,
        bits=bits,
        block_rows=rows,
        block_columns=columns,
        scale_bytes=scale,
        source=source,
        zero_bits=zero_bits,
        column_bytes=column_bytes,
    )


def _whole(scheme: Scheme, *keys: str, choices: tuple[int, ...]) -> int:
    value = next((scheme[key] for key in keys if key in scheme), None)
    if isinstance(value, bool) or not isinstance(value, int) or value not in choices:
        raise _Unknown(f"{keys[0]} of the quantized weights is {shown(value)}")
    return value


def _group(scheme: Scheme, *keys: str) -> int:
    """Inputs that share a scale; −1 is the whole side, here 0."""
    value = next((scheme[key] for key in keys if key in scheme), None)
    if isinstance(value, bool) or not isinstance(value, int) or not (value == -1 or 1 <= value <= 1 << 20):
        raise _Unknown(f"{keys[0]} of the quantized weights is {shown(value)}")
    return 0 if value == -1 else value


def _block(value: Tree) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        rows, columns = value
        if isinstance(rows, int) and isinstance(columns, int) and min(rows, columns) >= 1:
            return rows, columns
    raise _Unknown(f"the block of the quantized weights is {shown(value)}")
