"""Rules are read whole or refused whole, from TOML and JSON alike; leaves join by three-valued logic."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.gates.rule import MAX_DEPTH, MAX_LEAVES, RuleError, Token, digest, leaves, parse_rule, write_rule
from identity.gates.verdict import Finding, Truth, conclude

CONTRACT = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"
TICKET = {"chain": "eip155:1", "standard": "erc721", "contract": CONTRACT}
COIN = {"chain": "eip155:1", "standard": "erc20", "contract": CONTRACT, "min": "1.5"}

TOML = f"""
[[all]]
chain = "eip155:1"
standard = "erc1155"
contract = "{CONTRACT}"
id = 7
min = 2

[[all]]
any = [{{ group = "staff" }}, {{ not = {{ did = "did:web:example.org" }} }}]

[[all]]
credential = {{ issuer = "did:web:example.org", type = "Member", claim = {{ level = 3 }} }}
"""


def test_both_forms_say_the_same() -> None:
    rule = parse_rule(TOML)
    again = parse_rule(write_rule(rule))
    assert again == rule
    assert digest(again) == digest(rule)
    token, *others = leaves(rule)
    assert isinstance(token, Token)
    assert (token.id, token.min, len(others)) == (7, 2, 3)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "rule: write one of any, all"),
        ({"any": [], "all": []}, "rule: write one of any, all"),
        ({"any": []}, "any: List should have at least 1 item"),
        ({"all": [TICKET, {"not": {"group": 1}}]}, "all.1.not.group: Input should be a valid string"),
        ({"all": [TICKET, {**TICKET, "conract": ""}]}, "all.1.conract: unknown key"),
        ({**TICKET, "contract": CONTRACT.replace("E", "e")}, "contract: "),
        ({**TICKET, "contract": ""}, "contract must be set"),
        ({**TICKET, "chain": "solana:mainnet"}, "chain: "),
        ({**TICKET, "chain": "eip155:01"}, "chain: "),
        ({**TICKET, "min": "1.5"}, "without a fraction"),
        ({**TICKET, "min": 0}, "min: "),
        ({**TICKET, "id": "5", "min": 2}, "only one token of each id"),
        ({**TICKET, "id": -1}, "id: "),
        ({**TICKET, "id": str(1 << 256)}, "id: "),
        ({**TICKET, "id": 1.0}, "id: "),
        ({**TICKET, "standard": "erc1155"}, "needs the token's id"),
        ({**TICKET, "decimals": 3}, "decimals belong to erc20"),
        ({**COIN, "min": 1.5}, "as text"),
        ({**COIN, "min": "NaN"}, "min: "),
        ({**COIN, "min": "1e80"}, "min: "),
        ({**COIN, "id": 1}, "no token ids"),
        ({**COIN, "decimals": 78}, "decimals: "),
        ({"chain": "eip155:1", "standard": "erc20", "contract": CONTRACT}, "min must be set"),
        ({"chain": "eip155:1", "standard": "native", "contract": CONTRACT, "min": 1}, "native coin has no contract"),
        ({"did": "did:x"}, "did: "),
        ({"credential": {"issuer": "did:web:a.example"}}, "credential.type: must be set"),
    ],
)
def test_faults_are_named_with_their_place(value: Any, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(json.dumps(value))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 20_000,
        "[" * 10_000,
        "a = " + "[" * 10_000,
        '{"not":' * 2000 + '{"group":"g"}' + "}" * 2000,
        "{",
        "\x00",
        "rule",
        '{"group": "\ud800"}',
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        parse_rule(text)


def test_depth_and_width_are_bounded() -> None:
    group: Any = {"group": "g"}
    with pytest.raises(RuleError, match=f"more than {MAX_LEAVES} things"):
        parse_rule(json.dumps({"any": [group] * (MAX_LEAVES + 1)}))
    with pytest.raises(RuleError, match=f"more than {MAX_LEAVES} things"):
        parse_rule(json.dumps({"any": [{"any": [group] * 17}, {"any": [group] * 16}]}))
    for _ in range(MAX_DEPTH - 1):
        group = {"not": group}
    parse_rule(json.dumps(group))
    with pytest.raises(RuleError, match="levels deep"):
        parse_rule(json.dumps({"not": group}))


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists))
def test_nothing_else_is_ever_raised(value: Any) -> None:
    with contextlib.suppress(RuleError):
        parse_rule(value if isinstance(value, str) else json.dumps(value))


LEAVES = st.sampled_from([{"group": "g"}, TICKET, COIN, {"did": "did:web:a.example"}])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"any": branches})
        | st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"all": branches})
        | inner.map(lambda branch: {"not": branch})
    ),
    max_leaves=6,
)


def truth_of(tree: Any, values: list[Truth]) -> Truth:
    """The textbook's way: no, unknown, yes are 0, 1, 2; or is the greatest, and the least, not turns round."""
    order = [Truth.NO, Truth.UNKNOWN, Truth.YES]
    if "not" in tree:
        return order[2 - order.index(truth_of(tree["not"], values))]
    for name, choose in (("any", max), ("all", min)):
        if name in tree:
            return order[choose([order.index(truth_of(branch, values)) for branch in tree[name]])]
    return values.pop(0)


@given(TREES, st.data())
def test_leaves_join_as_in_kleenes_logic(tree: Any, data: st.DataObject) -> None:
    try:
        rule = parse_rule(json.dumps(tree))
    except RuleError:  # nested too deep
        return
    found = list(leaves(rule))
    values = data.draw(st.lists(st.sampled_from(Truth), min_size=len(found), max_size=len(found)))
    passing = [value is Truth.UNKNOWN and data.draw(st.booleans()) for value in values]
    findings = [Finding(value, "", may_pass) for value, may_pass in zip(values, passing, strict=True)]
    verdict = conclude(rule, list(zip(found, findings, strict=True)))
    assert verdict.truth is truth_of(tree, list(values))
    choices = [list(Truth) if may_pass else [value] for value, may_pass in zip(values, passing, strict=True)]
    could_hold = any(truth_of(tree, list(later)) is Truth.YES for later in itertools.product(*choices))
    if verdict.passing:
        assert verdict.truth is Truth.UNKNOWN
        assert could_hold
    assert verdict.passing == (verdict.truth is Truth.UNKNOWN and could_hold)
