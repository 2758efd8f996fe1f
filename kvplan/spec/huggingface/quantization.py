"""What a checkpoint's own config says of storage: the scheme of its weights, and the format of its KV cache.

The effect on the KV cache is vLLM's (0.32: utils/torch_utils.py, layers/quantization/): a scheme that only the weights
follow leaves K and V in the model's 16-bit type. Float32 checkpoints are served in 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kvplan.spec.formats import FORMATS, KVFormat
from kvplan.spec.huggingface.config import Config
from kvplan.spec.kinds import shown
from kvplan.spec.tree import Tree

_DTYPES = ("bfloat16", "float16", "half", "float32", "float", "auto", "float8_e4m3fn", "float8_e5m2")


class Storage(NamedTuple):
    """How a checkpoint is stored.

    plain: its 16-bit type, which K and V have where no scheme is followed.
    scheme: whose scheme sets ``kv_format``: modelopt, compressed-tensors, or empty.
    """

    kv_format: KVFormat
    kv_format_source: str
    quantization: str
    plain: KVFormat
    scheme: str


def read_storage(top: Config, text: Config, *, latent: bool) -> Storage:
    """Storage by the config's own words.

    top, text: the config and its text part (the same where it is not a wrapper).
    latent: whether every layer is MLA, which ignores a compressed-tensors KV scheme.
    """
    dtype_key, dtype = _dtype(top, text)
    name = (
        "fp16" if dtype in ("float16", "half") and top.model_type not in ("gemma2", "gemma3", "gemma3_text") else "bf16"
    )
    source = f"{dtype_key}: {dtype}" if dtype else "no dtype in the config: served in bf16"
    if dtype and dtype not in ("bfloat16", "float16", "half"):
        source += ", served in bf16"
    plain = KVFormat(FORMATS[name], FORMATS[name])
    scheme = _scheme(top, text)
    if scheme is None:
        return Storage(plain, source, "", plain, "")
    method, kv_name = _kv_format(top, scheme, latent=latent)
    if kv_name is None:
        return Storage(plain, source, _words(scheme), plain, "")
    item, said = FORMATS[kv_name], _plain(scheme.get("quant_method")) or method
    return Storage(KVFormat(item, item), f"quantization_config ({said})", _words(scheme), plain, method)


def _dtype(top: Config, text: Config) -> tuple[str, str]:
    for config in (top, text):
        for key in ("dtype", "torch_dtype"):
            value = config.tree.get(key)
            if value is None:
                continue
            if not isinstance(value, str):
                config.fault("KV007", key, f"wants the name of a type, has {shown(value)}", "write bfloat16 or float16")
                return key, ""
            name = value.removeprefix("torch.")
            if name not in _DTYPES:
                config.fault("KV011", key, f"unknown type {shown(value)}", f"known: {', '.join(_DTYPES)}")
            return key, name[:40]
    return "", ""


def _scheme(top: Config, text: Config) -> Mapping[str, Tree] | None:
    for config in (top, text):
        for key in ("quantization_config", "compression_config"):
            value = config.tree.get(key)
            if value is None:
                continue
            if not isinstance(value, dict):
                config.fault(
                    "KV007", key, f"wants a mapping, has {shown(value)}", "copy it from the checkpoint's config.json"
                )
                return None
            return value
    return None


def _words(scheme: Mapping[str, Tree]) -> str:
    """The weights' scheme, as short as a line: the method and its sizes."""
    parts = [_plain(scheme.get("quant_method")) or "unknown method"]
    for key in ("quant_algo", "fmt", "format", "bits", "w_bit", "group_size", "q_group_size", "activation_scheme"):
        if text := _plain(scheme.get(key)):
            parts.append(f"{key} {text}")
    block = scheme.get("weight_block_size")
    if isinstance(block, list):
        parts.append("blocks of " + "×".join(_plain(size) for size in block[:3]))
    return ", ".join(parts)


def _plain(value: Tree) -> str:
    return str(value)[:40] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _kv_format(config: Config, scheme: Mapping[str, Tree], *, latent: bool) -> tuple[str, str | None]:
    """Whose scheme it is, and the KV format that it sets, None where K and V keep the model's type."""
    method = _plain(scheme.get("quant_method")).lower().replace("_", "-")
    producer = scheme.get("producer")
    if isinstance(producer, dict) and producer.get("name") == "modelopt":
        method = "modelopt"  # the older form, without quant_method
    if method.startswith("modelopt"):
        return "modelopt", _modelopt(scheme)
    if method == "compressed-tensors" and not latent:
        return method, _compressed_tensors(config, scheme.get("kv_cache_scheme"))
    return method, None


def _compressed_tensors(config: Config, kv: Tree) -> str | None:
    """Symmetric 8-bit floats with one scale a tensor or head are all that engines store of these schemes.

    Source: vLLM 0.32 compressed_tensors.py; absent keys are 8 bits, whole numbers, symmetric, one scale a tensor.
    """
    if kv is None:
        return None
    stored = isinstance(kv, dict) and (
        kv.get("num_bits", 8) == 8
        and kv.get("type") == "float"
        and kv.get("strategy") in (None, "tensor", "attn_head")
        and kv.get("symmetric", True) is True
    )
    if not stored:
        message = (
            "a kv_cache_scheme that no engine stores: it has to be 8-bit, float, symmetric, a scale a tensor or head"
        )
        config.fault("KV015", "quantization_config", message, "give --kv-format, with a config without kv_cache_scheme")
    return "fp8_e4m3"


def _modelopt(scheme: Mapping[str, Tree]) -> str | None:
    nested = scheme.get("quantization")
    levels = [nested, scheme] if isinstance(nested, dict) else [scheme]
    value = next(
        (level[key] for key in ("kv_cache_scheme", "kv_cache_quant_algo") for level in levels if level.get(key)), None
    )
    if isinstance(value, str):
        return {"FP8": "fp8_e4m3", "NVFP4": "nvfp4"}.get(value.upper())
    if isinstance(value, dict) and value.get("type") == "float":
        if value.get("num_bits") == 8 and value.get("dynamic") is False:
            return "fp8_e4m3"
        return "nvfp4" if value.get("num_bits") == 4 else None
    return None
