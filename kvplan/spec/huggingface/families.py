"""Architecture name ▸ the function that reads its layers: the only list of what kvplan knows. There is no fallback.

The architecture picks the rule of the layers, the model_type picks the class defaults of absent keys, as in vLLM 0.32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from kvplan.errors import SpecError
from kvplan.findings import join_path
from kvplan.spec.huggingface import dense, latent, windowed
from kvplan.spec.huggingface.config import LAYER_KINDS, MAX_POSITIONS, Config
from kvplan.spec.huggingface.parameters import read_weight_shape
from kvplan.spec.huggingface.quantization import read_storage
from kvplan.spec.huggingface.weight_storage import read_weight_storage
from kvplan.spec.kinds import Reading, nearest, shown
from kvplan.spec.layers.latent import LatentAttention
from kvplan.spec.layers.layer import Layer
from kvplan.spec.model import Model
from kvplan.spec.tree import Document, Tree


class Family(NamedTuple):
    """A family of models: its name, its config class, and how its layers are read.

    text_part: the key of the text part in a wrapper, whose class is ``model_type`` whatever the part itself says.
    """

    name: str
    model_type: str
    layers: Callable[[Config], tuple[Layer, ...]]
    text_part: str = ""


ARCHITECTURES: Mapping[str, Family] = {
    "LlamaForCausalLM": Family("llama", "llama", windowed.llama),
    "LLaMAForCausalLM": Family("llama", "llama", windowed.llama),
    "Llama4ForCausalLM": Family("llama4", "llama4_text", windowed.llama4),
    "Llama4ForConditionalGeneration": Family("llama4", "llama4_text", windowed.llama4, "text_config"),
    "Qwen2ForCausalLM": Family("qwen2", "qwen2", windowed.qwen2),
    "Qwen2MoeForCausalLM": Family("qwen2_moe", "qwen2_moe", windowed.qwen2_moe),
    "Qwen3ForCausalLM": Family("qwen3", "qwen3", windowed.qwen3),
    "Qwen3MoeForCausalLM": Family("qwen3_moe", "qwen3_moe", windowed.qwen3_moe),
    "MistralForCausalLM": Family("mistral", "mistral", windowed.llama),
    "MinistralForCausalLM": Family("mistral", "ministral", windowed.llama),
    "Ministral3ForCausalLM": Family("mistral", "ministral3", windowed.llama),
    "MixtralForCausalLM": Family("mixtral", "mixtral", windowed.mixtral),
    "GemmaForCausalLM": Family("gemma", "gemma", windowed.gemma),
    "Gemma2ForCausalLM": Family("gemma2", "gemma2", windowed.gemma2),
    "Gemma3ForCausalLM": Family("gemma3", "gemma3_text", windowed.gemma3),
    "Gemma3ForConditionalGeneration": Family("gemma3", "gemma3_text", windowed.gemma3, "text_config"),
    "PhiForCausalLM": Family("phi", "phi", windowed.llama),
    "Phi3ForCausalLM": Family("phi3", "phi3", windowed.llama),
    "PhiMoEForCausalLM": Family("phimoe", "phimoe", windowed.phimoe),
    "PhimoeForCausalLM": Family("phimoe", "phimoe", windowed.phimoe),
    "Glm4MoeForCausalLM": Family("glm4_moe", "glm4_moe", windowed.mixtral),
    "GptOssForCausalLM": Family("gpt_oss", "gpt_oss", windowed.gpt_oss),
    "Olmo2ForCausalLM": Family("olmo2", "olmo2", windowed.llama),
    "GPT2LMHeadModel": Family("gpt2", "gpt2", dense.multi_head),
    "GPTJForCausalLM": Family("gptj", "gptj", dense.multi_head),
    "OPTForCausalLM": Family("opt", "opt", dense.multi_head),
    "FalconForCausalLM": Family("falcon", "falcon", dense.falcon),
    "GPTBigCodeForCausalLM": Family("gpt_bigcode", "gpt_bigcode", dense.multi_query_or_all),
    "Starcoder2ForCausalLM": Family("starcoder2", "starcoder2", windowed.llama),
    "CohereForCausalLM": Family("cohere", "cohere", windowed.mixtral),
    "Cohere2ForCausalLM": Family("cohere2", "cohere2", windowed.cohere2),
    "DeepseekV2ForCausalLM": Family("deepseek_v2", "deepseek_v2", latent.deepseek),
    "DeepseekV3ForCausalLM": Family("deepseek_v3", "deepseek_v3", latent.deepseek),
    "MiniMaxM2ForCausalLM": Family("minimax_m2", "minimax_m2", windowed.minimax_m2),
}

# Keys that change what is cached and that none of these families has: a config with one is refused, not half-read.
_FOREIGN_KEYS = (
    "num_kv_shared_layers", "use_cla", "linear_attn_config", "layers_block_type", "hybrid_override_pattern",
    "full_attention_interval", "is_encoder_decoder", "block_configs",
)  # fmt: skip

_MAPPING_HELP = (
    "describe it as a mapping: model: {name, hidden_size, num_q_heads, layers: [{kind: full_attention, count, "
    "num_kv_heads, head_dim}]} (docs/models.md)"
)


def read_config(document: Document, name: str) -> Model:
    """A config.json ▸ Model.

    Raises: SpecError with every fault of the config; KV017 by name for an architecture that is not in the list.
    """
    reading = Reading()
    model = reading.run(lambda: _read(document.tree, name, document.source.name, reading))
    findings = tuple(document.source.locate(finding) for finding in reading.findings)
    if model is None or reading.failed:
        raise SpecError(findings)
    return replace(model, notes=findings)


def _read(tree: Tree, name: str, source: str, reading: Reading) -> Model | None:
    if not isinstance(tree, dict):
        message = f"a config.json is a mapping, this is {shown(tree)}"
        reading.fault("KV007", "", message, help="name the config.json of a checkpoint")
        return None
    path = ""
    if "architectures" not in tree and "model_type" not in tree and isinstance(tree.get("config"), dict):
        tree, path = tree["config"], "config"  # a config kept in a record of its own, beside its source
    found = _architecture(tree, path, reading)
    if found is None:
        return None
    architecture, family = found
    top = Config(tree, path, _model_type(tree, family), reading)
    text = _text_part(top, family)
    return None if text is None else _model(name, architecture, family, top, text, source)


def _model(name: str, architecture: str, family: Family, top: Config, text: Config, source: str) -> Model:
    for key in _FOREIGN_KEYS:
        if text.tree.get(key):
            message = f"`{key}` changes what is cached in a way that is not yet supported for {architecture}"
            text.fault("KV015", key, message, _MAPPING_HELP)
    text.names("layer_types", LAYER_KINDS, dense.num_layers(text))
    layers = family.layers(text)
    storage = read_storage(top, text, latent=all(isinstance(layer, LatentAttention) for layer in layers))
    weights, no_shape = read_weight_shape(top, text, family.name, layers)
    weight_storage, no_storage = read_weight_storage(top, text)
    positions = text.spelling("max_position_embeddings", *text.aliases("n_positions"))
    return Model(
        name=name,
        architecture=architecture,
        family="kimi_k2" if text.model_type == "kimi_k2" else family.name,
        layers=layers,
        hidden_size=dense.hidden_size(text),
        num_q_heads=dense.num_q_heads(text),
        max_position_embeddings=text.optional_whole(positions, low=1, high=MAX_POSITIONS),
        kv_format=storage.kv_format,
        kv_format_source=storage.kv_format_source,
        kv_plain=storage.plain,
        kv_scheme=storage.scheme,
        quantization=storage.quantization,
        source=source,
        weights=weights,
        weight_storage=weight_storage,
        weights_missing=no_shape or no_storage,
    )


def _architecture(tree: Mapping[str, Tree], path: str, reading: Reading) -> tuple[str, Family] | None:
    at = join_path(path, "architectures")
    listed = tree.get("architectures")
    if listed is not None and not (isinstance(listed, list) and all(isinstance(item, str) for item in listed)):
        reading.fault(
            "KV007", at, f"wants a list of names, has {shown(listed)}", help="copy it from the checkpoint's config.json"
        )
        return None
    for item in listed or ():
        if item in ARCHITECTURES:
            return item, ARCHITECTURES[item]
    model_type = tree.get("model_type")
    if not listed and isinstance(model_type, str):
        for item, family in ARCHITECTURES.items():
            if family.model_type == model_type and not family.text_part:
                return item, family
    unknown = listed[0] if listed else model_type
    at = at if listed else join_path(path, "model_type")
    if not isinstance(unknown, str):
        reading.fault(
            "KV008",
            at,
            "neither `architectures` nor `model_type` says what this model is",
            help="copy both from the checkpoint's config.json",
        )
        return None
    known = ARCHITECTURES if listed else {family.model_type for family in ARCHITECTURES.values()}
    # Another family's name is no spelling of this one: Jamba is not Llama.
    hint = nearest(unknown, known, cutoff=0.9)
    note = f"known: {', '.join(sorted(known))}"
    reading.fault(
        "KV017",
        at,
        f"the architecture {shown(unknown)} is not known to kvplan",
        help=f"{hint} or {_MAPPING_HELP}".removeprefix(" or "),
        note=note,
    )
    return None


def _model_type(tree: Mapping[str, Tree], family: Family) -> str:
    own = tree.get("model_type")
    return own if isinstance(own, str) and not family.text_part else family.model_type


def _text_part(top: Config, family: Family) -> Config | None:
    if not family.text_part:
        return top
    part = top.tree.get(family.text_part)
    if not isinstance(part, dict):
        problem = "missing key" if part is None else f"wants a mapping, has {shown(part)}, at"
        top.fault(
            "KV008",
            family.text_part,
            f"{problem} `{family.text_part}`: the language model of a wrapper",
            help="transformers would silently take class defaults; name the whole config.json",
        )
        return None
    return Config(part, top.at(family.text_part), family.model_type, top.reading)
