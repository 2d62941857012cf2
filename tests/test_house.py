"""The house rules a linter does not know."""

import ast
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CUSTOMER_ROOMS = ("ingest", "enrich", "detections", "playbooks")
ROOMS = (*CUSTOMER_ROOMS, "luytre", "verifier", "benchmarks")
MODULES = sorted(
    path.relative_to(ROOT)
    for room in (*ROOMS, "tests")
    for path in (ROOT / room).rglob("*.py")
    if path.name != "__init__.py"
)
OURS = [module for module in MODULES if module.parts[0] != "tests"]
LINES_MAX, FUNCTION_LINES_MAX, NESTING_MAX = 400, 60, 3
FORBIDDEN = re.compile(r"^(utils?|helpers?|common|misc|base|manager|abc)$")
NESTS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)


def functions(module: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse((ROOT / module).read_text())
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = (
        function.body[1] if ast.get_docstring(function) and function.body[1:] else function.body[0]
    )
    return (function.end_lineno or 0) - first.lineno + 1


def nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        inside = isinstance(child, NESTS) and not _is_elif(node, child)
        deepest = max(deepest, nesting(child, depth + inside))
    return deepest


def _is_elif(parent: ast.AST, child: ast.AST) -> bool:
    return isinstance(parent, ast.If) and isinstance(child, ast.If) and child in parent.orelse


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_fits_in_one_sitting(module: Path) -> None:
    assert len((ROOT / module).read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("module", OURS, ids=str)
def test_module_says_what_it_gives(module: Path) -> None:
    assert ast.get_docstring(ast.parse((ROOT / module).read_text()))


@pytest.mark.parametrize("module", OURS, ids=str)
def test_functions_fit_on_a_screen(module: Path) -> None:
    too_long = {
        f.name: body_lines(f) for f in functions(module) if body_lines(f) > FUNCTION_LINES_MAX
    }

    assert not too_long


@pytest.mark.parametrize("module", OURS, ids=str)
def test_functions_are_not_deeply_nested(module: Path) -> None:
    too_deep = {f.name: nesting(f) for f in functions(module) if nesting(f) > NESTING_MAX}

    assert not too_deep


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_names_say_something(module: Path) -> None:
    assert not [part for part in (*module.parts[:-1], module.stem) if FORBIDDEN.match(part)]


@pytest.mark.parametrize("module", OURS, ids=str)
def test_no_exception_is_swallowed(module: Path) -> None:
    tree = ast.parse((ROOT / module).read_text())
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]

    assert not [h.lineno for h in handlers if len(h.body) == 1 and isinstance(h.body[0], ast.Pass)]


@pytest.mark.parametrize("room", CUSTOMER_ROOMS)
def test_no_other_distribution_claims_our_rooms(room: str) -> None:
    assert set(packages_distributions().get(room, ["luytre"])) == {"luytre"}


def test_the_repository_holds_no_log_of_others() -> None:
    binary = [p for p in ROOT.rglob("*.evtx") if ".venv" not in p.parts and "demo" not in p.parts]

    assert not binary
