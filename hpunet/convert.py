"""Converts a TensorFlow checkpoint of the reference to a weights file, or back.

python -m hpunet.convert --checkpoint=tf_graph_data.ckpt --out=FILE.safetensors
python -m hpunet.convert --to_reference --weights=FILE.safetensors --out=tf_graph_data.ckpt
"""

import functools
from pathlib import Path

from absl import flags

from hpunet.cli import command
from hpunet.config.settings import settings_of
from hpunet.io.atomic import check_writable
from hpunet.io.errors import UserError
from hpunet.models.base import ModelConfig
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.weights.tensorflow.checkpoint_files import STATE_FILE

SUFFIX = ".safetensors"
# Separate from absl's global flags: two commands may be imported in one process.
FLAGS = flags.FlagValues()
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
boolean_flag = functools.partial(flags.DEFINE_boolean, flag_values=FLAGS)
GET_CONFIG = command.ConfigFlag(FLAGS, listed=())
CHECKPOINT = text_flag(
    "checkpoint",
    None,
    "TensorFlow checkpoint: its prefix, one of its files, its folder, an archive, a URL, or lidc.",
)
OUT = text_flag(
    "out", None, f"Weights file, {SUFFIX}; with --to_reference, the prefix of a checkpoint."
)
SCOPE_FLAG = text_flag(
    "scope",
    None,
    "Prefix of the names of the network's variables; detected if not given. With --to_reference, "
    f"by default the scope of the conversion or {HierarchicalConfig.reference_scope}.",
)
TO_REFERENCE = boolean_flag(
    "to_reference", False, "Converts weights to a checkpoint; needs hpunet[convert]."
)
WEIGHTS = text_flag("weights", None, "Weights file, or lidc; only with --to_reference.")
OVERWRITE = boolean_flag("overwrite", False, "Replaces existing files at --out.")


def main() -> None:
    """Converts in either direction and prints a report."""
    _check_flags()
    out = Path(OUT.value or "")
    settings = settings_of(GET_CONFIG()) if GET_CONFIG.given else None
    # Imported late: `--help` and mistakes must not wait for JAX.
    from hpunet.weights.deepmind import files

    if TO_REFERENCE.value:
        print(files.write_reference(str(WEIGHTS.value), out, SCOPE_FLAG.value))
    elif settings is None:
        print(files.write_weights(str(CHECKPOINT.value), out, SCOPE_FLAG.value))
    else:
        network = _hierarchical(settings.model)
        how = (network, settings.crop, settings.data.pixel_spacing)
        print(files.write_weights(str(CHECKPOINT.value), out, SCOPE_FLAG.value, *how))


def _hierarchical(model: ModelConfig) -> HierarchicalConfig:
    if not isinstance(model, HierarchicalConfig):
        raise UserError(
            f"config.model.name={model.name!r}: allowed is {HierarchicalConfig.name!r}, the model "
            "of the checkpoints"
        )
    return model


def _check_flags() -> None:
    """Checks the flags before any file is read."""
    direction = "with --to_reference" if TO_REFERENCE.value else "without --to_reference"
    needed, refused = (WEIGHTS, CHECKPOINT) if TO_REFERENCE.value else (CHECKPOINT, WEIGHTS)
    if refused.value is not None:
        raise UserError(f"--{refused.name}: {direction}, allowed is --{needed.name}")
    if needed.value is None:
        raise UserError(f"--{needed.name} is missing: allowed is {_meaning(needed)}")
    if TO_REFERENCE.value and GET_CONFIG.given:
        raise UserError("--config: the weights file has its own settings")
    if not OUT.value:
        raise UserError(f"--out is missing: allowed is {_meaning(OUT)}")
    _check_out(Path(OUT.value))


def _meaning(flag: flags.FlagHolder) -> str:
    return (FLAGS[flag.name].help or "").rstrip(".")


def _check_out(out: Path) -> None:
    if not TO_REFERENCE.value and out.suffix != SUFFIX:
        raise UserError(f"--out={out}: allowed is the name of a file that ends in {SUFFIX}")
    if out.is_dir() or not out.name:
        raise UserError(f"--out={out}: is a folder; allowed is the name of a file in it")
    check_writable(out.parent, "--out")
    # TensorFlow's state file in this folder may name another checkpoint, which would be lost.
    index = out.with_name(f"{out.name}.index")
    written = [index, out.with_name(STATE_FILE)] if TO_REFERENCE.value else [out]
    found = [path for path in written if path.exists()]
    if found and not OVERWRITE.value:
        raise UserError(f"--out={out}: {found[0]} exists; --overwrite replaces it")


if __name__ == "__main__":
    command.run(main)
