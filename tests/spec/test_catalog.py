"""The catalog: every entry has a source, reads, says what the table says, and is held to its config."""

import json
import re

import pytest

from kvplan.spec import catalog
from kvplan.spec.catalog import model_names
from kvplan.spec.layers.layer import count_layers
from kvplan.spec.models import catalog_model
from kvplan.spec.text import read_json

NAMES = model_names()

# name, hidden size, query heads, then layers:kind:KV heads × width:tokens kept
TABLE = """
cohere2-hf-default 8192 64 30:sliding_attention:64x128:4096 10:full_attention:64x128:all
command-r-v01 8192 64 40:full_attention:64x128:all
deepseek-r1 7168 128 61:mla:1x576:all
deepseek-v2 5120 128 60:mla:1x576:all
deepseek-v2-lite 2048 16 27:mla:1x576:all
deepseek-v3 7168 128 61:mla:1x576:all
falcon-7b 4544 71 32:full_attention:1x64:all
gemma-2-27b 4608 32 23:sliding_attention:16x128:4096 23:full_attention:16x128:all
gemma-2-2b 2304 8 13:sliding_attention:4x256:4096 13:full_attention:4x256:all
gemma-2-9b 3584 16 21:sliding_attention:8x256:4096 21:full_attention:8x256:all
gemma-2b 2048 8 18:full_attention:1x256:all
gemma-3-1b 1152 4 22:sliding_attention:1x256:512 4:full_attention:1x256:all
gemma-3-27b 5376 32 52:sliding_attention:16x128:1024 10:full_attention:16x128:all
gemma-7b 3072 16 28:full_attention:16x256:all
glm-4.5-355b 5120 96 92:full_attention:8x128:all
glm-4.5-rtp 5120 96 92:full_attention:8x128:all
gpt-j-6b 4096 16 28:full_attention:16x256:all
gpt-oss-120b 2880 64 18:sliding_attention:8x64:128 18:full_attention:8x64:all
gpt-oss-20b 2880 64 12:sliding_attention:8x64:128 12:full_attention:8x64:all
gpt2 768 12 12:full_attention:12x64:all
gpt2-medium 1024 16 24:full_attention:16x64:all
kimi-k2 7168 64 61:mla:1x576:all
kimi-k2-rtp 7168 64 61:mla:1x576:all
llama-2-70b 8192 64 80:full_attention:8x128:all
llama-2-7b 4096 32 32:full_attention:32x128:all
llama-3-70b 8192 64 80:full_attention:8x128:all
llama-3-8b 4096 32 32:full_attention:8x128:all
llama-3.1-405b 16384 128 126:full_attention:8x128:all
llama-3.1-70b 8192 64 80:full_attention:8x128:all
llama-3.1-8b 4096 32 32:full_attention:8x128:all
llama-3.2-1b 2048 32 16:full_attention:8x64:all
llama-3.2-3b 3072 24 28:full_attention:8x128:all
llama-4-maverick 5120 40 36:chunked_attention:8x128:8192 12:full_attention:8x128:all
llama-4-scout 5120 40 36:chunked_attention:8x128:8192 12:full_attention:8x128:all
minimax-m2 3072 48 62:full_attention:8x128:all
mistral-7b-mlc 4096 32 32:sliding_attention:8x128:4096
mistral-7b-v0.1 4096 32 32:sliding_attention:8x128:4096
mistral-7b-v0.3-mlc 4096 32 32:full_attention:8x128:all
mixtral-8x22b 6144 48 56:full_attention:8x128:all
mixtral-8x7b 4096 32 32:full_attention:8x128:all
olmo2-7b 4096 32 32:full_attention:32x128:all
opt-125m 768 12 12:full_attention:12x64:all
phi-2 2560 32 32:full_attention:32x80:all
phi-3-mini-4k 3072 32 32:sliding_attention:32x96:2047
phi-3.5-mini 3072 32 32:sliding_attention:32x96:262144
phi-4 5120 40 40:full_attention:10x128:all
qwen2-57b-a14b 3584 28 28:full_attention:4x128:all
qwen2-7b 3584 28 28:full_attention:4x128:all
qwen2.5-1.5b 1536 12 28:full_attention:2x128:all
qwen2.5-32b 5120 40 64:full_attention:8x128:all
qwen2.5-3b 2048 16 36:full_attention:2x128:all
qwen2.5-72b 8192 64 80:full_attention:8x128:all
qwen2.5-7b 3584 28 28:full_attention:4x128:all
qwen3-0.6b 1024 16 28:full_attention:8x128:all
qwen3-1.7b 2048 16 28:full_attention:8x128:all
qwen3-235b-a22b 4096 64 94:full_attention:4x128:all
qwen3-30b-a3b 2048 32 48:full_attention:4x128:all
qwen3-32b 5120 64 64:full_attention:8x128:all
qwen3-4b 2560 32 36:full_attention:8x128:all
qwen3-8b 4096 32 36:full_attention:8x128:all
qwen3-coder-480b-a35b 6144 96 62:full_attention:8x128:all
starcoder 6144 48 40:full_attention:1x128:all
starcoder2-7b 4608 36 32:sliding_attention:4x128:4096
tinyllama-1.1b 2048 32 22:full_attention:4x64:all
"""
ROWS = {line.split()[0]: line.split()[1:] for line in TABLE.strip().splitlines()}


def test_there_are_enough_models():
    assert len(NAMES) >= 25
    assert tuple(sorted(ROWS)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_has_a_source(name):
    tree = catalog.model_entry(name).tree
    assert set(tree) - {"corrections"} == {"source", "exactness", "config"}
    corrections = tree.get("corrections", {"source": "arXiv:0", "config": {}})
    assert set(corrections) == {"source", "config"}
    assert re.search(r"arXiv:\d", corrections["source"])
    assert re.search(r"PyPI \S+==\d|(?i:github) [\w.-]+/[\w.-]+|arXiv:\d", tree["source"]), tree["source"]
    assert tree["exactness"]


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_reads_as_the_table_says(name):
    model = catalog_model(name)
    layers = [
        f"{count}:{layer.kind}:{layer.heads_per_rank(1)}x{layer.widths[0]}:{layer.limit_tokens or 'all'}"
        for layer, count in count_layers(model.layers).items()
    ]
    assert [str(model.hidden_size), str(model.num_q_heads), *layers] == ROWS[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_a_model_without_news(name):
    model = catalog_model(name)
    assert (model.name, model.notes) == (name, ())
    assert model.source.startswith(f"catalog; {catalog.model_entry(name).tree['source']}")
    assert model.max_position_embeddings >= 1024


def differences(entry, config, path=""):
    """Keys of an entry whose value is not the config's."""
    found = []
    for key, value in entry.items():
        at = f"{path}{key}"
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            found += differences(value, config[key], f"{at}.")
        elif key not in config or config[key] != value:
            found.append((at, value, config.get(key, "absent")))
    return found


def test_entries_are_held_to_their_configs(shared):
    strays, held = {}, 0
    for name in NAMES:
        path = shared / "data/models/configs" / f"{name}.json"
        if path.is_file():
            held += 1
            config = read_json(path.read_text(), name).tree["config"]
            if found := differences(catalog.model_entry(name).tree["config"], config):
                strays[name] = found
    assert not strays
    assert held == 35


def test_shared_configs_of_known_architectures_are_in_the_catalog(shared):
    ours = {catalog_model(name).architecture for name in NAMES}
    known = set()
    for path in (shared / "data/models/configs").glob("*.json"):
        if ours & set(json.loads(path.read_text())["config"].get("architectures") or []):
            known.add(path.stem)
    assert known <= set(NAMES)


def test_engine_data_is_read_once():
    assert catalog.engine_data() is catalog.engine_data()
