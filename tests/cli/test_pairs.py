"""KEY=VALUE on the command line."""

import pytest

from kvplan.cli import pairs
from kvplan.errors import SpecError


def test_splits_at_the_first_equals_sign():
    assert pairs.split(["a=1", "b.c = x=y"], "--set") == {"a": "1", "b.c": "x=y"}


@pytest.mark.parametrize(("items", "rule"), [(["a"], "KV009"), (["=1"], "KV009"), (["a=1", "a=2"], "KV002")])
def test_refuses(items, rule):
    with pytest.raises(SpecError) as caught:
        pairs.split(items, "--set")
    assert [finding.rule for finding in caught.value.findings] == [rule]
