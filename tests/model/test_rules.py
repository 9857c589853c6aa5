"""Rules: the last match wins, a rule without effect is a mistake, a file with a mistake gets one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from wpconvert.errors import FileError, UsageError
from wpconvert.job.rules_file import load_rules, parse_rules
from wpconvert.methods import METHODS
from wpconvert.model.plan import plan_of
from wpconvert.model.rules import Rule, Rules, choose
from wpconvert.model.weight import Rewritable


def weight(key: str, name: str, operator: str = "CONV_2D") -> Rewritable:
    return Rewritable(key, name, (operator,), (2, 2), "INT8", 4, values=np.zeros((2, 2), np.int8))


WEIGHTS = [weight("0:1", "block1/kernel"), weight("0:4", "block2/kernel"), weight("0:7", "fc", "FULLY_CONNECTED")]


def chosen(*rules: Rule) -> list[tuple[str, float]]:
    return [(c.method, c.threshold) for c in choose(WEIGHTS, Rules(rules=list(rules)), "dcsr", 0.25)]


def test_without_rules_the_default_method_and_threshold_apply() -> None:
    assert chosen() == [("dcsr", 0.25)] * 3


def test_name_is_a_regular_expression_searched_anywhere() -> None:
    assert [m for m, _ in chosen(Rule(name="ock[12]", method="rle"))] == ["rle", "rle", "dcsr"]
    assert [m for m, _ in chosen(Rule(name="^fc$", method="rle"))] == ["dcsr", "dcsr", "rle"]


def test_all_selectors_of_a_rule_must_match() -> None:
    rule = Rule(name="block", operator="CONV_2D", tensor="0:4", method="none")
    assert [m for m, _ in chosen(rule)] == ["dcsr", "none", "dcsr"]


def test_the_last_match_wins_with_its_own_threshold_or_the_default() -> None:
    rules = [Rule(operator="CONV_2D", method="rle", threshold=0.5), Rule(name="block2", method="dense")]
    assert chosen(*rules) == [("rle", 0.5), ("dense", 0.25), ("dcsr", 0.25)]


@pytest.mark.parametrize("rule", [Rule(name="blok", method="rle"), Rule(operator="conv_2d", method="rle")], ids=str)
def test_a_rule_that_matches_nothing_is_refused_with_the_weights_there_are(rule: Rule) -> None:
    with pytest.raises(UsageError, match=r"matches no weight; the model's weights are block1/kernel \[0:1\], block2"):
        chosen(rule)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_file_is_read(tmp_path: Path) -> None:
    rules = load_rules(write(tmp_path / "r.yaml", "rules:\n  - {name: a.c, method: rle, threshold: 0.5}\n"))
    assert rules == Rules(rules=[Rule(name="a.c", method="rle", threshold=0.5)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "top level: "),
        ("7", "top level: "),
        ("rules: 3", "rules: "),
        ("rule: []", "rule: unknown key, expected one of rules|rules: Field required"),
        ("rules: [x]", r"rules\.0: "),
        ("rules: [{method: rle}]", r"rules\.0: a rule needs at least one of name, operator and tensor"),
        (
            "rules: [{name: x, method: dscr}]",
            r"rules\.0\.method: unknown method 'dscr', expected one of auto, none, dense",
        ),
        (
            "rules: [{nmae: x, method: rle}]",
            r"rules\.0\.nmae: unknown key, expected one of method, name, operator, tensor",
        ),
        ("rules: [{name: '(', method: rle}]", r"rules\.0\.name: '\(' is not a regular expression"),
        ("rules: [{name: 'a{99999999999}', method: rle}]", "is not a regular expression"),
        ("rules: [{name: x}]", r"rules\.0\.method: Field required"),
        ("rules: [{name: x, method: rle, threshold: 1.5}]", r"rules\.0\.threshold: "),
        ("rules: [{name: x, method: rle, threshold: .nan}]", r"rules\.0\.threshold: "),
        ("rules: [", "not YAML"),
        ("rules: !!timestamp 2024-13-45", "not YAML"),
        ("a: &a [*a]", ": "),
        ("{[1]: 2}", "not YAML"),
        ("1: 2", ": "),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_wrong_file_is_refused_with_its_name_the_place_and_why(content: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", content)
    with pytest.raises(UsageError, match=message) as caught:
        load_rules(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_texts_that_yaml_takes_for_numbers_times_and_truths_stay_texts(tmp_path: Path) -> None:
    for text in ("1:17", "0:1", "0x10", "1_000", "1e3", "yes", "off", "2024-01-02", ".inf", "0:=", "1:2:3"):
        rules = load_rules(write(tmp_path / "r.yaml", f"rules: [{{tensor: {text}, name: {text}, method: none}}]"))
        assert rules == Rules([Rule("none", name=text, tensor=text)])


def test_dumped_plans_read_the_same_by_any_reader_of_yaml() -> None:
    keys = ["1:17", "0:1", "12:59", "0:on", "0:a: b", "0:#", "0:'\"", "~", "0:\x01\u00e9"]
    plan = plan_of((key, "none", {}) for key in keys)
    assert [rule["tensor"] for rule in yaml.safe_load(plan)["rules"]] == keys
    assert [rule.tensor for rule in parse_rules(plan, "plan").rules] == keys


@pytest.mark.parametrize(
    "content",
    ["rules: []\n# more\nrules: []\n", "rules:\n- name: x\n  name: y\n  method: rle\n"],
    ids=["rules", "name"],
)
def test_key_that_is_given_twice_is_refused_with_both_lines(content: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", content)
    with pytest.raises(UsageError, match=r"r\.yaml: line 3: duplicate key '(rules|name)', first given in line [12]"):
        load_rules(path)


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    with pytest.raises(UsageError):
        load_rules(write(tmp_path / "r.yaml", bomb))
    with pytest.raises(UsageError):
        load_rules(write(tmp_path / "r.yaml", bomb + "rules: *a29\n"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "not UTF-8"])
def test_unreadable_file_is_a_file_error(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match="cannot read the rules"):
        load_rules(path)


def test_auto_none_and_every_codec_are_methods() -> None:
    assert METHODS[:2] == ("auto", "none")
    assert {"dense", "rle", "dcsr"} < set(METHODS)
