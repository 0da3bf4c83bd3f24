"""Makes a weights file of a TensorFlow checkpoint of the reference, or the reverse.

python -m hpunet.convert --checkpoint=tf_graph_data.ckpt --out=FILE.safetensors
python -m hpunet.convert --to_reference --weights=FILE.safetensors --out=tf_graph_data.ckpt
"""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from absl import flags

from hpunet.cli import command
from hpunet.config import settings as config
from hpunet.io.errors import UserError
from hpunet.objectives.geco import multiplier_of
from hpunet.training import workdir as folder
from hpunet.weights import file
from hpunet.weights.deepmind.conversion import (
    INITIAL_MULTIPLIER,
    SCOPE,
    Converted,
    convert,
    reference_values,
)
from hpunet.weights.header import preprocessing_of
from hpunet.weights.published import PUBLISHED, open_checkpoint, read
from hpunet.weights.tensorflow.checkpoint_prefix import STATE_FILE
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from hpunet.weights.tensorflow.writer import write_checkpoint

SUFFIX = ".safetensors"
MOST_NAMES_SHOWN = 5
# Not absl's common ones: two commands may be imported side by side.
FLAGS = flags.FlagValues()
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
boolean_flag = functools.partial(flags.DEFINE_boolean, flag_values=FLAGS)
GET_CONFIG = command.ConfigFlag(FLAGS)
CHECKPOINT = text_flag(
    "checkpoint",
    None,
    "TensorFlow checkpoint: its prefix, a file of it, its folder, an archive, a URL, or lidc.",
)
OUT = text_flag(
    "out", None, f"Weights file, {SUFFIX}; with --to_reference the prefix of a checkpoint."
)
SCOPE_FLAG = text_flag(
    "scope",
    None,
    "What the names of the network's variables begin with; found if not given. With "
    f"--to_reference the scope of the conversion or {SCOPE}.",
)
TO_REFERENCE = boolean_flag(
    "to_reference", False, "Writes a checkpoint of weights; needs hpunet[convert]."
)
WEIGHTS = text_flag("weights", None, "With --to_reference: weights file, or lidc.")
OVERWRITE = boolean_flag("overwrite", False, "Replaces what --out names.")


def main() -> None:
    """Converts in one direction or the other and prints what was found."""
    _check_flags()
    if TO_REFERENCE.value:
        _write_reference(Path(OUT.value or ""))
    else:
        _write_weights(Path(OUT.value or ""))


def _check_flags() -> None:
    """Refuses what is wrong with the command line alone, before anything is read."""
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
        raise UserError(f"--out={out}: it is a folder, allowed is the name of what is to be in it")
    folder.check_writable(out.parent, "--out")
    # TensorFlow's file beside a checkpoint may name another one, which would be lost.
    index = out.with_name(f"{out.name}.index")
    written = [index, out.with_name(STATE_FILE)] if TO_REFERENCE.value else [out]
    found = [path for path in written if path.exists()]
    if found and not OVERWRITE.value:
        raise UserError(f"--out={out}: {found[0]} exists; --overwrite replaces it")


def _write_weights(out: Path) -> None:
    settings = config.settings_of(GET_CONFIG()) if GET_CONFIG.given else None
    source = str(CHECKPOINT.value)
    with open_checkpoint(source) as opened:
        model = None if settings is None else settings.model
        converted = convert(read_bundle(opened.prefix), model, SCOPE_FLAG.value)
    preprocessing = _preprocessing(source, converted, settings)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file.save_weights(
            out,
            converted.params,
            converted.config,
            preprocessing,
            converted.source(opened.label, opened.sha256),
        )
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
    print(f"checkpoint: {opened.label}, SHA-256 {opened.sha256}")
    print(_report(converted, preprocessing, settings is not None))
    print(f"weights: {out}")


def _preprocessing(
    source: str, converted: Converted, settings: config.Settings | None
) -> dict[str, Any]:
    """How images become the network's input, as far as that is known."""
    if settings is None:
        for name, published in PUBLISHED.items():
            if source in (name, published.url) and converted.config == published.network:
                return dict(published.preprocessing)
    spacing, crop = (None, None) if settings is None else (settings.pixel_spacing, settings.crop)
    return preprocessing_of(spacing, crop, converted.config.num_classes)


def _report(converted: Converted, preprocessing: dict[str, Any], given: bool) -> str:
    weights = [w for weights in converted.params.values() for w in weights.values()]
    lines = [
        f"network: {converted.config}, {'as given' if given else 'found from the shapes'}",
        f"images: {_images(preprocessing)}",
        f"converted: {len(weights)} variables of {converted.scope or 'no scope'}, "
        f"{sum(w.size for w in weights):,} weights",
    ]
    if converted.multiplier is None:
        lines.append("multiplier: the checkpoint has none")
    else:
        name, value = converted.multiplier
        lines.append(f"multiplier: {_multiplier(value):.6g} ({name} = {value:.6g})")
    lines.append(f"skipped: {_listed(converted.skipped)}")
    return "\n".join(lines)


def _images(preprocessing: dict[str, Any]) -> str:
    crop, spacing = preprocessing["crop"], preprocessing["pixel_spacing_mm"]
    if crop is None and spacing is None:
        return (
            "crop and pixel spacing are not known, so that they will not be resampled; "
            "--config=lidc, for example, adds both"
        )
    return (
        f"crop {crop or 'not known'}, pixel spacing {f'{spacing} mm' if spacing else 'not known'}"
    )


def _multiplier(variable: float) -> float:
    return float(multiplier_of(jnp.asarray(variable)))


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    shown = ", ".join(names[:MOST_NAMES_SHOWN])
    rest = len(names) - MOST_NAMES_SHOWN
    return f"{len(names)} variables, {shown}" + (f" and {rest} more" if rest > 0 else "")


def _write_reference(out: Path) -> None:
    found = read(str(WEIGHTS.value))
    source = found.header.source or {}
    scope = SCOPE_FLAG.value if SCOPE_FLAG.value is not None else _scope_of(source)
    known = _multiplier_in(source, found.path)
    variable = INITIAL_MULTIPLIER if known is None else known
    values = reference_values(found.params, found.model.config, scope.rstrip("/"), variable)
    write_checkpoint(out, values)
    said = "" if known is not None else ", its first value: the weights file knows none"
    print(f"multiplier: {_multiplier(variable):.6g}{said}")
    print(f"checkpoint: {out}, {len(values)} variables of {scope or 'no scope'}")


def _scope_of(source: dict[str, Any]) -> str:
    scope = source.get("scope", SCOPE)
    return scope if isinstance(scope, str) else SCOPE


def _multiplier_in(source: dict[str, Any], path: Path) -> float | None:
    multiplier = source.get("multiplier")
    if multiplier is None:
        return None
    value = multiplier.get("value") if isinstance(multiplier, dict) else multiplier
    if not isinstance(value, float) or not math.isfinite(value):
        raise UserError(f"{path}: its header has multiplier {value!r}; allowed is a finite number")
    return value


if __name__ == "__main__":
    command.run(main)
