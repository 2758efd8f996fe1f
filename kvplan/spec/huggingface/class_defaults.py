"""What transformers fills in where a config.json leaves a key out, by model_type.

Read from the config classes of transformers 5.23.0 (run on empty configs), only for keys that published checkpoints do
leave out. Sizes that every checkpoint writes (layers, hidden size, query heads) have no default here: a config without
them is damaged, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

Defaults = Mapping[str, int | bool | None]

_QWEN = {"sliding_window": 4096, "max_window_layers": 28, "max_position_embeddings": 32768}

CLASS_DEFAULTS: Mapping[str, Defaults] = {
    "llama": {"max_position_embeddings": 2048},
    "llama4_text": {
        "num_key_value_heads": 8,
        "head_dim": 128,
        "attention_chunk_size": 8192,
        "no_rope_layer_interval": 4,
        "max_position_embeddings": 131072,
    },
    "qwen2": {"num_key_value_heads": 32, **_QWEN},
    "qwen2_moe": {"num_key_value_heads": 16, **_QWEN},
    "qwen3": {"num_key_value_heads": 32, "head_dim": 128, **_QWEN},
    "qwen3_moe": {"num_key_value_heads": 4, **_QWEN},
    "mistral": {"num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131072},
    "ministral": {"num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131072},
    "ministral3": {"num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262144},
    "mixtral": {"num_key_value_heads": 8, "max_position_embeddings": 131072},
    "gemma": {"num_key_value_heads": 16, "head_dim": 256, "max_position_embeddings": 8192},
    "gemma2": {"num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096, "max_position_embeddings": 8192},
    "gemma3_text": {
        "num_attention_heads": 8,  # google/gemma-3-4b-it leaves out heads and head_dim alike
        "num_key_value_heads": 4,
        "head_dim": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
        "max_position_embeddings": 131072,
    },
    "phi": {"max_position_embeddings": 2048},
    "phi3": {"max_position_embeddings": 4096},
    "phimoe": {"num_key_value_heads": 8, "max_position_embeddings": 131072},
    "glm4_moe": {"num_key_value_heads": 8, "max_position_embeddings": 131072},
    "gpt_oss": {"num_key_value_heads": 8, "head_dim": 64, "sliding_window": 128, "max_position_embeddings": 131072},
    "olmo2": {"max_position_embeddings": 2048},
    "gpt2": {"max_position_embeddings": 1024},
    "gpt_bigcode": {"multi_query": True, "max_position_embeddings": 1024},
    "gptj": {"max_position_embeddings": 2048},
    "opt": {"max_position_embeddings": 2048},
    "falcon": {"multi_query": True, "max_position_embeddings": 2048},
    "starcoder2": {"num_key_value_heads": 2, "max_position_embeddings": 4096},
    "cohere": {"max_position_embeddings": 8192},
    "cohere2": {"sliding_window": 4096, "sliding_window_pattern": 4, "max_position_embeddings": 8192},
    "deepseek_v2": {
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "max_position_embeddings": 2048,
    },
    "deepseek_v3": {
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "max_position_embeddings": 4096,
    },
    "kimi_k2": {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "max_position_embeddings": 4096},
    "minimax_m2": {"num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 196608},
}

# Classes that also read n_layer, n_head, n_embd and n_positions; elsewhere these are nobody's keys.
READS_SHORT_NAMES = frozenset({"gpt2", "gpt_bigcode", "gptj"})

# What head_dim may be where a class derives it from hidden_size ÷ heads, by model_type; the rest is refused.
_ALWAYS = ("absent", "null", "zero")
DERIVES_HEAD_DIM: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("llama", "mistral", "ministral", "phi", "phi3", "qwen3_moe", "olmo2", "starcoder2"), _ALWAYS),
    **dict.fromkeys(("ministral3", "qwen3", "minimax_m2"), ("zero",)),
    **dict.fromkeys(("mixtral", "phimoe"), ("absent", "null")),
    **dict.fromkeys(("cohere", "cohere2"), ("absent",)),
    "glm4_moe": ("null", "zero"),
}

# Classes whose num_key_value_heads may be null: it then equals the query heads. All others refuse null.
NULL_KV_HEADS_ARE_QUERY_HEADS = frozenset(
    {"llama", "qwen2", "qwen3", "phi", "phi3", "olmo2", "cohere", "cohere2", "deepseek_v2", "deepseek_v3", "kimi_k2"}
)
