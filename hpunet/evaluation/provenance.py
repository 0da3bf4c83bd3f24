"""Provenance of a result: code, packages and machine."""

import functools
import hashlib
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

PACKAGE = Path(__file__).parents[1]
# What scores can depend on.
PACKAGES = ("jax", "jaxlib", "dm-haiku", "numpy", "scipy", "pillow", "tensorflow-datasets")


@functools.cache
def provenance() -> dict[str, Any]:
    """Returns version and commit of hpunet, and versions of packages, Python and platform."""
    return {
        "hpunet": sys.modules[PACKAGE.name].__version__,
        "commit": commit(PACKAGE),
        "code": code_digest(PACKAGE),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": jax.local_devices()[0].device_kind,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def commit(package: Path) -> str | None:
    """Returns the commit of a package's files, with `+changes` appended if they differ from it.

    Args:
        package: Folder of the package.

    Returns:
        None if the package is no part of a git repository, as when it was installed from a wheel.
    """
    # An environment may lie inside somebody else's repository, which does not track this file.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain", "--", ".")
    return None if head is None else head + ("+changes" if changes else "")


def code_digest(package: Path) -> str:
    """Computes SHA-256 over the names and contents of a package's modules."""
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        contents = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{contents} {path.relative_to(package).as_posix()}\n".encode())
    return whole.hexdigest()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
