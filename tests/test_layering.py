"""The rule of who may import whom, and what else the layout promises, read from the source."""

import ast
import collections
import subprocess
import sys
from pathlib import Path

import pytest

import hpunet

PACKAGE = Path(hpunet.__file__).parent
COMMANDS = ("train", "evaluate", "sample", "inspect", "convert")
# The packages from bottom to top, each with those that it may import: all of them stand above it.
ALLOWED = {
    "io": set(),
    "runtime": {"io"},
    "imaging": {"io"},
    "metrics": set(),
    "models": set(),
    "config": {"io", "models"},
    "cli": {"io", "models", "config"},
    "objectives": {"models", "config"},
    "weights": {"io", "models", "config", "objectives"},
    "data": {"io", "imaging", "config"},
    "inference": {"io", "imaging", "metrics", "models", "weights", "data"},
    "figures": {"io", "metrics"},
    "report": {"io", "imaging", "inference"},
    "inspection": {"io", "metrics", "models", "config", "cli", "data", "figures"},
}
ALLOWED["evaluation"] = set(ALLOWED) - {"report", "inspection", "runtime", "objectives"}
ALLOWED["training"] = set(ALLOWED) - {"report", "inspection", "cli"}
COLLECTIVES = {
    "pmap",
    "psum",
    "pmean",
    "pmax",
    "pmin",
    "all_gather",
    "all_to_all",
    "ppermute",
    "psum_scatter",
    "axis_index",
    "process_allgather",
    "multihost_utils",
    "shard_map",
}
HOME_OF_COLLECTIVES = "hpunet.training.devices"
# Shorter modules need a reason each, so there are few; what a package says of itself is none.
SHORT_MODULE, MOST_SHORT_MODULES = 30, 10
LONGEST_FUNCTION = 50


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    # In an installed package the configurations lie there, too.
    if "configs" not in path.relative_to(PACKAGE).parts
}
SOURCES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def part_of(module: str) -> str:
    """The package or module right below hpunet that a module belongs to; "" is hpunet itself."""
    return f"{module}.".split(".")[1]


def own_imports(module: str, tree: ast.AST) -> set[str]:
    """Modules of hpunet that a module imports, those for type checking included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively, which this test does not read"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in SOURCES else str(node.module) for name in names}
    return {name for name in found if name in SOURCES and name != module}


IMPORTS = {module: own_imports(module, tree) for module, tree in SOURCES.items()}


def names_used(tree: ast.AST) -> set[str]:
    """Every name that a module reads, binds, imports or looks up on something else."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.alias):
            used |= set(node.name.split("."))
        elif isinstance(node, ast.keyword) and node.arg is not None:
            used.add(node.arg)
    return used


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """A path that comes back to where it began, or none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        done.add(node)
        return next((c for n in sorted(graph[node]) if (c := visit(n, [*path, node]))), [])

    return next((cycle for node in sorted(graph) if (cycle := visit(node, []))), [])


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_part_imports_only_what_the_layout_allows(part):
    offences = {
        module: sorted(name for name in imported if part_of(name) not in {part} | ALLOWED[part])
        for module, imported in IMPORTS.items()
        if part_of(module) == part
    }
    assert {module: names for module, names in offences.items() if names} == {}


def test_the_rule_lets_nothing_import_upwards():
    places = {part: place for place, part in enumerate(ALLOWED)}
    for part, allowed in ALLOWED.items():
        assert all(places[name] < places[part] for name in allowed), part


def test_at_the_top_are_only_commands_and_packages_and_every_package_has_a_rule():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(COMMANDS)
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"configs"}
    assert packages == set(ALLOWED)


def test_nothing_imports_a_command():
    offences = {
        module: sorted(name for name in imported if part_of(name) in COMMANDS)
        for module, imported in IMPORTS.items()
    }
    assert {module: names for module, names in offences.items() if names} == {}


def test_modules_import_each_other_without_cycles():
    assert find_cycle(IMPORTS) == []


def test_packages_import_each_other_without_cycles():
    graph: dict[str, set[str]] = {}
    for module, imported in IMPORTS.items():
        part = part_of(module)
        if part:
            graph.setdefault(part, set()).update({part_of(name) for name in imported} - {part, ""})
    assert find_cycle(graph) == []


def test_a_cycle_would_be_found():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


@pytest.mark.parametrize("module", sorted(set(SOURCES) - {HOME_OF_COLLECTIVES}))
def test_collectives_and_their_axis_live_in_training_devices_alone(module):
    # Its own `Devices.pmap` may be called; jax's may not.
    allowed = {"pmap"} if part_of(module) == "training" else set()
    assert names_used(SOURCES[module]) & (COLLECTIVES - allowed) == set()
    assert "axis_name" not in names_used(SOURCES[module])
    assert "jax.pmap" not in ast.unparse(SOURCES[module])


def packages_imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("part", ["models", "objectives"])
def test_network_and_losses_know_no_flags_configs_or_logs(part):
    outside = {"absl", "ml_collections", "logging", "tensorboardX", "orbax", "tqdm"}
    for module, tree in SOURCES.items():
        if part_of(module) == part:
            assert packages_imported(tree) & outside == set(), module


@pytest.mark.parametrize("part", ["models", "metrics"])
def test_what_is_used_without_the_commands_raises_value_errors_alone(part):
    for module, tree in SOURCES.items():
        if part_of(module) == part:
            # A package whose names load lazily answers for those that it does not have.
            allowed = {"ValueError"} | ({"AttributeError"} if is_init(module) else set())
            raised = {
                ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
                for node in ast.walk(tree)
                if isinstance(node, ast.Raise) and node.exc is not None
            }
            assert raised <= allowed, module


def test_every_public_class_name_stands_once():
    homes = collections.defaultdict(list)
    for module, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def is_init(module: str) -> bool:
    return PATHS[module].name == "__init__.py"


def test_few_modules_are_short():
    short = [
        module
        for module, path in PATHS.items()
        if not is_init(module) and len(path.read_text(encoding="utf-8").splitlines()) < SHORT_MODULE
    ]
    assert len(short) <= MOST_SHORT_MODULES, short


def only_passes_on(tree: ast.Module) -> bool:
    """Whether a module defines nothing itself: a docstring, imports and names given to these."""
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        renames = isinstance(node, ast.Assign) and isinstance(
            node.value, ast.Name | ast.Attribute | ast.List | ast.Tuple
        )
        if not (is_text or renames or isinstance(node, ast.Import | ast.ImportFrom)):
            return False
    return True


@pytest.mark.parametrize("module", [name for name in SOURCES if not is_init(name)])
def test_no_module_only_passes_names_on(module):
    assert not only_passes_on(SOURCES[module])


def test_a_module_that_only_passes_names_on_would_be_found():
    assert only_passes_on(ast.parse('"""Names."""\nfrom a import b\nc = b\n__all__ = ["b"]'))
    assert not only_passes_on(ast.parse("LIMIT = 3"))


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    count = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return count
    text = function.body[0]
    return count - (text.end_lineno - text.lineno + 1)


def test_functions_are_short_enough_to_be_read_at_once():
    long = {
        f"{module}.{node.name}": lines
        for module, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := lines_of_code(node)) > LONGEST_FUNCTION
    }
    assert long == {}


@pytest.mark.parametrize(
    "statement",
    [
        "import hpunet.metrics",
        "import hpunet; hpunet.metrics.ged",
        "import hpunet.data.lidc.builder",
        *(f"import hpunet.{name}" for name in COMMANDS),
    ],
)
def test_what_needs_no_network_comes_without_jax(statement):
    check = f"{statement}; import sys; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_comes_without_jax(name):
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['hpunet.{name}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('hpunet.{name}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as done:\n"
        "    sys.exit(done.code or ('jax' in sys.modules) * 3)\n"
        "sys.exit('the command did not exit')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--help" not in done.stderr
    assert "Flags:" in done.stdout
