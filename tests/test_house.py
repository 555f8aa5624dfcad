"""The house keeps its own rules: sizes, names, floors' owners, and documents that tell the truth."""

from __future__ import annotations

import ast
import csv
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("node", "ai", "identity")
MAX_FUNCTION = 60
MAX_FILE = 450
ONE_FILE = "node/anchor/standalone/waxseal_verify.py"  # all of a verifier in one file, to be handed to strangers


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_corridor_functions() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path in _sources(*PACKAGES)
        for function in _functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > MAX_FUNCTION
    ]
    assert not long


def test_no_drawer_files() -> None:
    long = [
        str(path.relative_to(ROOT)) for path in _sources(*PACKAGES) if path.read_text("utf-8").count("\n") > MAX_FILE
    ]
    long.remove(ONE_FILE)
    assert not long


def test_no_module_is_named_like_the_standard_library_or_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "misc", "models"}
    commands = {"copy"}  # a file for a command bears the command's name (IMAP COPY)
    bad = [
        str(path.relative_to(ROOT))
        for path in _sources(*PACKAGES)
        if path.stem not in commands
        and (path.stem in drawers or (path.stem in sys.stdlib_module_names and not path.stem.startswith("__")))
    ]
    assert not bad


def test_no_other_distribution_owns_our_top_level_names() -> None:
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["waxseal"])) == {"waxseal"}, package


def test_the_console_script_is_waxseal_alone() -> None:
    scripts = importlib.metadata.distribution("waxseal").entry_points.select(group="console_scripts")
    assert [script.name for script in scripts] == ["waxseal"]


def _cited() -> set[str]:
    pattern = re.compile(r"RFC (\d{3,5})")
    return {number for path in _sources(*PACKAGES) for number in pattern.findall(path.read_text("utf-8"))}


def _listed() -> dict[str, str]:
    with (ROOT / "docs" / "rfc.tsv").open(encoding="utf-8") as file:
        return {row["rfc"]: row["status"] for row in csv.DictReader(file, delimiter="\t")}


def test_every_cited_rfc_is_listed_and_none_is_listed_for_nothing() -> None:
    assert set(_listed()) == _cited()


def test_rfc_statuses_come_from_the_closed_list() -> None:
    assert set(_listed().values()) <= {"yes", "partial", "no"}


FEATURE = re.compile(r"^\| ([A-Z0-9]+-\d+) \|.*\| (works|partly|not yet) \| (.*?) \|$", re.MULTILINE)


def test_every_feature_that_works_names_a_test_that_exists() -> None:
    rows = FEATURE.findall((ROOT / "docs" / "features.md").read_text("utf-8"))
    assert len(rows) > 250
    for name, status, where in rows:
        tests = re.findall(r"`(tests/[^`]+)`", where)
        if status == "works":
            assert tests, f"{name} works, says docs/features.md, but names no test"
        for test in tests:
            assert (ROOT / test).exists(), f"{name}: {test}"


def test_features_match_the_inventory() -> None:
    inventory = ROOT.parent / "shared" / "FEATURES.md"
    if not inventory.exists():
        pytest.skip("the feature inventory is not beside this checkout")
    wanted = set(re.findall(r"^\| ([A-Z0-9]+-\d+) \|", inventory.read_text("utf-8"), re.MULTILINE))
    assert {name for name, _, _ in FEATURE.findall((ROOT / "docs" / "features.md").read_text("utf-8"))} == wanted


def _imported() -> set[str]:
    """Top-level names of other people's packages that the product imports (training and its data readers left out)."""
    names: set[str] = set()
    for path in _sources(*PACKAGES):
        if path.is_relative_to(ROOT / "ai" / "train") or path.is_relative_to(ROOT / "ai" / "data"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    newer = {"compression"}  # the standard library's from Python 3.14 on
    return {name for name in names if name not in sys.stdlib_module_names} - set(PACKAGES) - newer


def test_the_product_declares_what_it_imports_and_imports_what_it_declares() -> None:
    owners = importlib.metadata.packages_distributions()
    used = {_normal(owner) for name in _imported() for owner in owners.get(name, [name])}
    requirements = importlib.metadata.requires("waxseal") or []
    declared = {_normal(re.split(r"[\[<>=~; ]", text)[0]) for text in requirements if "extra ==" not in text}
    assert used <= declared
    assert declared <= used


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_has_its_line_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").lower()
    for requirement in importlib.metadata.requires("waxseal") or []:
        found = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert found
        name = re.escape(found.group().lower()).replace(r"\-", "[-.]")
        assert re.search(rf"(?:\| |[:,]\s){name}[ ,\n]", readme), found.group()


OPERATE = ROOT / "docs" / "operate.md"


def test_every_metric_is_explained_to_the_operator() -> None:
    names = set(re.findall(r'"(waxseal_\w+)"', (ROOT / "node" / "base" / "metrics.py").read_text("utf-8")))
    assert names
    assert names == set(re.findall(r"waxseal_\w+", OPERATE.read_text("utf-8").partition("## Metrics")[2]))


def test_every_command_is_named_in_the_readme_or_the_operators_page() -> None:
    pages = (ROOT / "README.md").read_text("utf-8") + OPERATE.read_text("utf-8")
    assert not [name for name in COMMANDS if f"waxseal {name}" not in pages]


def _texts(*folders: str) -> list[str]:
    """Every string of the program, as it is after joining adjacent ones; parts of f-strings each for itself."""
    trees = (ast.parse(path.read_text("utf-8")) for path in _sources(*folders))
    constants = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [value for value in constants if isinstance(value, str)]


def test_the_operators_page_quotes_what_the_program_really_says() -> None:
    program = _texts("node", "identity")
    page = OPERATE.read_text("utf-8")
    rows = re.findall(r"^\| (`+)(.+?)\1(?: and lines with keys)? \| ", _section(page, "Trouble"), re.MULTILINE)
    fragments = [part.strip() for _, quote in rows for part in quote.split("...")]
    events = re.findall(r"`([a-z_. ]+)`", " ".join(re.findall(r"^\| (`.*?) \| ", _section(page, "Log"), re.MULTILINE)))
    assert len(fragments) > 25
    assert len(events) > 12
    assert not [event for event in events if event not in program]
    assert not [fragment for fragment in fragments if fragment not in "\n".join(program)]


def _section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
