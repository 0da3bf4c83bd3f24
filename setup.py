"""Installs hpunet; `configs/` travels in the wheel as `hpunet.configs`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "hpunet/__init__.py").read_text(encoding="utf-8"), re.M
)
assert VERSION is not None, "hpunet/__init__.py states no __version__"

# Lower bounds are releases that the suite has passed on, not guesses at older ones.
REQUIRED = [
    "absl-py>=2.3",
    "array-record>=0.8.1",
    "dm-haiku>=0.0.17",
    "filelock>=4.3",
    "google-crc32c>=1.9",
    "grain>=0.2.12",
    "imagecodecs>=2026.3",
    "importlib_resources>=6.4",  # tensorflow-datasets imports it without asking for it.
    "jax>=0.10",
    "jaxtyping>=0.3.3",
    "jinja2>=3.1",
    "matplotlib>=3.10",
    "ml-collections>=1.1",
    "numpy>=2.2",
    "optax>=0.2.6",
    "orbax-checkpoint>=0.11.30",
    "pillow>=11.3",
    "pooch>=1.9",
    "safetensors>=0.6",
    "scipy>=1.15",
    "tensorboardX>=2.6.4",
    "tensorflow-datasets>=4.9.9",
    "tifffile>=2026.3",
    "tqdm>=4.67",
]
EXTRAS = {
    "cuda": ["jax[cuda12]>=0.10"],
    "medical": ["highdicom>=0.26", "nibabel>=5.3", "pydicom>=3.0"],
    "convert": ["tensorflow>=2.19"],
    "dev": [
        "beartype>=0.22",
        "hypothesis>=6.140",
        "imageio>=2.37",
        "ipykernel>=6.30",
        "mypy>=1.18",
        "nbclient>=0.10.2",
        "pytest>=8.4",
        "pytest-xdist>=3.8",
        "ruff>=0.14",
        "setuptools>=77",
    ],
}

setup(
    name="hpunet",
    version=VERSION.group(1),
    description="The Hierarchical Probabilistic U-Net in JAX and Haiku.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["hpunet", "hpunet.*"]), "hpunet.configs"],
    package_dir={"hpunet": "hpunet", "hpunet.configs": "configs"},
    package_data={"hpunet.report": ["*.css", "*.jinja", "*.js"]},
    install_requires=REQUIRED,
    extras_require=EXTRAS,
)
