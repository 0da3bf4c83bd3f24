"""The rule of who may import whom, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hpunet

PACKAGE = Path(hpunet.__file__).parent
COMMANDS = {"train", "evaluate", "sample", "convert", "inspect"}
# Shared by all and left out below.
SHARED = {"errors", "atomic", "download", "intensities", "terminal_text"}
ALLOWED = {
    "model": set(),
    "metrics": set(),
    "data": {"imaging"},
    "imaging": set(),
    "hypotheses": {"model", "metrics", "imaging", "training"},
    "objective": {"model"},
    "weights": {"model"},
    "figures": {"metrics"},
    "evaluation": {"model", "metrics", "data", "imaging", "weights", "figures", "training"},
    "inspection": {"model", "metrics", "data", "figures"},
    "training": {"model", "metrics", "data", "objective", "weights", "figures"},
}
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


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if "configs" not in path.relative_to(PACKAGE).parts
}


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
        module: sorted(name for name in imported if part_of(name) not in {part} | SHARED | allowed)
        for allowed in [ALLOWED[part]]
        for module, imported in IMPORTS.items()
        if part_of(module) == part
    }
    assert {module: names for module, names in offences.items() if names} == {}


def test_every_package_has_a_rule():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"configs"}
    assert packages <= set(ALLOWED) | COMMANDS


def test_nothing_imports_a_command():
    offences = {
        module: sorted(name for name in imported if part_of(name) in COMMANDS - {part_of(module)})
        for module, imported in IMPORTS.items()
    }
    assert {module: names for module, names in offences.items() if names} == {}


@pytest.mark.parametrize("part", sorted(SHARED))
def test_what_is_shared_by_all_imports_nothing_but_errors(part):
    assert IMPORTS[f"hpunet.{part}"] <= {"hpunet.io.errors"}


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


@pytest.mark.parametrize("part", ["model", "objective"])
def test_network_and_losses_know_no_flags_configs_or_logs(part):
    outside = {"absl", "ml_collections", "logging", "tensorboardX", "orbax", "tqdm"}
    for module, tree in SOURCES.items():
        if part_of(module) == part:
            imported = {
                name.split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [str(node.module)]
                )
            }
            assert imported & outside == set(), module


@pytest.mark.parametrize(
    "statement",
    [
        "import hpunet.metrics",
        "import hpunet; hpunet.metrics.ged",
        "import hpunet.data.lidc.builder",
    ],
)
def test_metrics_and_data_come_without_jax(statement):
    check = f"{statement}; import sys; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
