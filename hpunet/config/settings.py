"""A run's configuration: its keys checked, and sorted into the parts' own settings.

Below this module there are no keys, only the frozen dataclasses that `settings_of` makes.
"""

import contextlib
import dataclasses
import difflib
from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from hpunet.config.keys import FREE_KEYS, KEYS, LOOP_KEYS, UNSET
from hpunet.data.augment import AugmentConfig, CentredAugmentConfig
from hpunet.data.folder.config import FolderConfig
from hpunet.data.synthetic.config import SyntheticConfig
from hpunet.data.window import Window
from hpunet.io.errors import UserError
from hpunet.models.hierarchical.config import ModelConfig
from hpunet.objectives.cross_entropy import TopK
from hpunet.objectives.elbo import ElboConfig
from hpunet.objectives.geco import GecoConfig
from hpunet.objectives.loss import LossConfig
from hpunet.training.loop import LoopConfig
from hpunet.training.optimizer import OptimizerConfig


class Settings(NamedTuple):
    """A checked configuration as what the rest of the project takes."""

    seed: int
    batch_size: int
    precision: str
    remat: bool
    data_name: str
    data_dir: str | None
    prepared_dir: str
    crop: int
    pixel_spacing: float | None
    num_workers: int
    augmentation: AugmentConfig | None
    synthetic: SyntheticConfig
    folder: FolderConfig
    window: Window
    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    loop: LoopConfig

    @property
    def resized(self) -> bool:
        """Whether the network sees whole images, resized to the crop."""
        return self.data_name == "folder" and self.folder.sizes == "resize"


def default_config() -> ConfigDict:
    """A configuration with every key at its default; no other key can be added."""
    config = ConfigDict()
    for name, key in KEYS.items():
        *groups, last = name.split(".")
        place = config
        for group in groups:
            if group not in place:
                place[group] = ConfigDict()
            place = place[group]
        # A placeholder anew: configurations that share one share its value.
        place[last] = placeholder(UNSET[name]) if name in UNSET else key.default
    return config.lock()


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Values by the full names of their keys."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def check(flat: dict[str, Any]) -> None:
    """Refuses an unknown key, and a value that is not allowed.

    Raises:
        UserError: Naming key, value and what is allowed.
    """
    for name, value in flat.items():
        if name not in KEYS:
            near = difflib.get_close_matches(name, KEYS, 3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UserError(f"config.{name}: no such key; {hint}--help lists what is allowed")
        if not KEYS[name].allowed.test(value):
            raise UserError(f"config.{name}={value!r}: allowed is {KEYS[name].allowed.text}")


def settings_of(config: ConfigDict) -> Settings:
    """Checks a configuration and sorts it into the parts' own settings.

    Raises:
        UserError: If a key is unknown, a value not allowed, or values do not fit each other.
    """
    flat = flatten(config)
    check(flat)
    with _named("config."):
        optimizer = OptimizerConfig(**_group(flat, "optimizer"))
    return Settings(
        **{name: flat[name] for name in ("seed", "batch_size", "precision", "remat")},
        data_name=flat["data.name"],
        data_dir=flat["data.dir"],
        prepared_dir=flat["data.prepared_dir"],
        crop=flat["data.crop"],
        pixel_spacing=flat["data.pixel_spacing"],
        num_workers=flat["data.num_workers"],
        augmentation=_augmentation(flat),
        synthetic=_synthetic(flat),
        folder=_folder(flat),
        window=Window(flat["data.crop"], flat["data.folder.sizes"], flat["data.augment"]),
        model=_model(flat),
        loss=_loss(flat),
        optimizer=optimizer,
        loop=LoopConfig(**_group(flat, "evaluation"), **{name: flat[name] for name in LOOP_KEYS}),
    )


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Keys that differ between two configurations although a run's may not; default where new."""

    def plain(flat: dict[str, Any]) -> dict[str, Any]:
        whole = {name: key.default for name, key in KEYS.items()} | flat
        return {name: list(v) if isinstance(v, tuple) else v for name, v in whole.items()}

    before, now = plain(old), plain(new)
    names = [name for name in before | now if name not in FREE_KEYS]
    return [n for n in names if before.get(n) != now.get(n)]


def _group(flat: dict[str, Any], group: str) -> dict[str, Any]:
    prefix = f"{group}."
    return {
        name.removeprefix(prefix): tuple(value) if isinstance(value, list) else value
        for name, value in flat.items()
        if name.startswith(prefix) and "." not in name.removeprefix(prefix)
    }


@contextlib.contextmanager
def _named(prefix: str) -> Iterator[None]:
    """Puts the place of a key in front of what its dataclass refuses."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{prefix}{error}") from None


def _model(flat: dict[str, Any]) -> ModelConfig:
    crop = flat["data.crop"]
    with _named("config.model."):
        model = ModelConfig(**_group(flat, "model"))
    with _named(f"config.data.crop={crop}: "):
        model.check_size(crop, crop)
    return model


def _synthetic(flat: dict[str, Any]) -> SyntheticConfig:
    with _named("config."):
        synthetic = SyntheticConfig(**_group(flat, "data.synthetic"))
    if flat["data.name"] == "synthetic" and synthetic.image_size < flat["data.crop"]:
        raise UserError(
            f"config.data.crop={flat['data.crop']}: allowed is at most "
            f"data.synthetic.image_size={synthetic.image_size}"
        )
    return synthetic


def _folder(flat: dict[str, Any]) -> FolderConfig:
    if flat["data.name"] != "folder":
        return FolderConfig()
    with _named("config.data.folder."):
        return FolderConfig(num_classes=flat["model.num_classes"], **_group(flat, "data.folder"))


def _augmentation(flat: dict[str, Any]) -> AugmentConfig | None:
    if not flat["data.augment"]:
        return None
    with _named("config.data.augmentation."):
        kind = CentredAugmentConfig if flat["data.name"] == "folder" else AugmentConfig
        return kind(**_group(flat, "data.augmentation"))


def _loss(flat: dict[str, Any]) -> LossConfig:
    values = _group(flat, "objective")
    kind = GecoConfig if values["name"] == "geco" else ElboConfig
    fields = {field.name: values[field.name] for field in dataclasses.fields(kind)}
    fraction = values["top_k_fraction"]
    top_k = None if fraction is None else TopK(fraction, values["deterministic_top_k"])
    return LossConfig(kind(**fields), top_k, values["l2"])
