"""The README is true: its Python and YAML run, its links lead somewhere (its console blocks: test_docs)."""

import re
from pathlib import Path

import kvplan

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def test_opens_with_exactly_the_two_commands():
    assert blocks("")[0] == "make demo\nmake test\n"
    assert README.index("make demo") < 40


def test_python_runs(capsys):
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    # deepseek-v3: 64 × 131072 tokens × 70272 B, on 8 ranks, 7 of them again; llama-3.1-8b: 4 × 8192 tokens × 65536 B
    latent = 64 * 131072 * 70272
    # 1000 × 8192 / 16 = 512,000 blocks of 2 MiB in what 0.9 × 144 GB − 16.06 GB − 5.37 GB leaves: 51,577 an accelerator;
    # 100 sequences of 512 blocks each fit one, so 10
    placed = ["yes", "10", "0", "True"]
    assert capsys.readouterr().out.split() == [str(8 * latent), str(7 * latent), str(4 * 8192 * 65536), *placed]


def test_the_workload_is_sound(tmp_path):
    for text in blocks("yaml"):
        file = tmp_path / "workload.yaml"
        file.write_text(text, encoding="utf-8")
        result = kvplan.check(file)
        assert result.passed, [finding.message for finding in result.findings]


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert not [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
