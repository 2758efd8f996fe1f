"""Families with multi-head latent attention: DeepSeek V2 and V3, Kimi K2."""

from __future__ import annotations

from kvplan.spec.huggingface.config import Config
from kvplan.spec.huggingface.dense import num_layers
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.layers.layer import Layer


def deepseek(config: Config) -> tuple[Layer, ...]:
    """One latent of ``kv_lora_rank`` and a rotary key of ``qk_rope_head_dim`` for a token, in every layer.

    The multi-token-prediction layers (``num_nextn_predict_layers``) keep nothing unless speculation is configured.
    Source: vLLM deepseek_v2.py and model_arch_config_convertor.py; DeepSeek-V2 (arXiv:2405.04434), section 2.1.
    """
    if config.tree.get("index_topk") is not None:
        config.fault(
            "KV015",
            "index_topk",
            "the sparse indexer's cache is not yet supported",
            help="only models without index_topk are counted",
        )
    latent = LatentAttention(
        config.whole("kv_lora_rank", high=1 << 16),
        config.whole("qk_rope_head_dim", high=1 << 16),
    )
    return (latent,) * num_layers(config)
