"""Checks a configuration and converts it to the dataclasses of its groups."""

import contextlib
import dataclasses
import difflib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FieldReference

from hpunet.config.data import (
    AugmentConfig,
    CentredAugmentConfig,
    DataConfig,
    FolderConfig,
    SyntheticConfig,
)
from hpunet.config.keys import DEFAULT_MODEL, FREE_KEYS, MODEL_NAME, OBJECTIVE_NAME, keys_of
from hpunet.config.old_names import KEYS as OLD_KEYS
from hpunet.config.training import (
    OBJECTIVES,
    EvaluationConfig,
    LoopConfig,
    LossConfig,
    OptimizerConfig,
)
from hpunet.io.download import data_cache
from hpunet.io.errors import UserError
from hpunet.models.base import MODELS, ModelConfig
from hpunet.models.fields import Setting
from hpunet.models.fields import settings_of as described

MOST_SUGGESTIONS = 2


class Settings(NamedTuple):
    """A checked configuration, by groups.

    Attributes:
        seed: Seed of weights, order, annotators, noise and augmentation.
        batch_size: Images per step, over all devices of all hosts.
        precision: Number format of features in training.
        remat: Whether levels are recomputed in the backward pass.
        data: The data set, its folder and its crop.
        prepared_dir: Folder of prepared data; never None.
        crop: Height and width of the network's input, in pixels.
        augmentation: Ranges of the random deformations, or None for the central crop.
        synthetic: Settings of the data set `synthetic`.
        folder: Settings of the data set `folder`.
        model: Settings of the model.
        loss: Settings of the loss.
        optimizer: Settings of the optimizer.
        loop: Length of training and its intervals.
        evaluation: Size of the validation.
    """

    seed: int
    batch_size: int
    precision: str
    remat: bool
    data: DataConfig
    prepared_dir: str
    crop: tuple[int, int]
    augmentation: AugmentConfig | None
    synthetic: SyntheticConfig
    folder: FolderConfig
    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    evaluation: EvaluationConfig

    @property
    def resized(self) -> bool:
        """Whether the network's input is the whole image, resized to the crop."""
        return self.data.name == "folder" and self.folder.sizes == "resize"

    @property
    def nan(self) -> float | str | None:
        """What replaces NaN in images: a number, `min` for their least value, or None."""
        if self.data.name != "folder":
            return None
        return "min" if self.folder.nan == "ignore" else self.folder.nan


def default_config(model: str = DEFAULT_MODEL) -> ConfigDict:
    """Creates a configuration with all keys of a model at their defaults.

    The configuration is locked: other keys cannot be added.

    Args:
        model: Name of the model. The objective is the usual one of that model.

    Raises:
        UserError: If there is no such model.
    """
    if model not in MODELS:
        raise UserError(f"config.{MODEL_NAME}={model!r}: allowed is {_models()}")
    config = ConfigDict()
    for name, key in keys_of(model).items():
        *groups, last = name.split(".")
        place = config
        for group in groups:
            if group not in place:
                place[group] = ConfigDict()
            place = place[group]
        place[last] = _default(key)
    return config.lock()


def _default(key: Setting) -> Any:
    # A ConfigDict restricts a key to the type of its default, but others may be allowed.
    if key.default is None or (key.allowed.test((1, 1)) and not isinstance(key.default, tuple)):
        # A new reference each time: configurations that share one would share its value.
        return FieldReference(key.default, field_type=object)
    return key.default


def _models() -> str:
    return " or ".join(map(repr, MODELS))


def flatten(config: ConfigDict) -> dict[str, Any]:
    """Returns the values by the full names of their keys."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def keys_for(flat: dict[str, Any]) -> dict[str, Setting]:
    """Returns the keys that a configuration may have, which depend on `model.name`.

    Raises:
        UserError: If there is no such model.
    """
    model = flat.get(MODEL_NAME, DEFAULT_MODEL)
    if not isinstance(model, str) or model not in MODELS:
        raise UserError(f"config.{MODEL_NAME}={model!r}: allowed is {_models()}")
    return keys_of(model)


def check(flat: dict[str, Any]) -> None:
    """Checks keys and values.

    Args:
        flat: Values by the full names of their keys.

    Raises:
        UserError: If a key is unknown, or a value is not allowed. The message names key, value and
            the allowed values.
    """
    keys = keys_for(flat)
    for name, value in flat.items():
        if name not in keys:
            raise UserError(f"config.{name}: {_unknown(name, keys, flat.get(MODEL_NAME))}")
        if not keys[name].allowed.test(value):
            raise UserError(
                f"config.{name}={value!r}: allowed values are {keys[name].allowed.text}"
            )


def _unknown(name: str, keys: dict[str, Setting], model: str | None) -> str:
    if name in OLD_KEYS:
        return f"this key is now called {OLD_KEYS[name]}"
    owners = [other for other in MODELS if name in keys_of(other)]
    if owners:
        return (
            f"not a key of the model {model or DEFAULT_MODEL!r}, but of {', '.join(owners)}; "
            f"--config.{MODEL_NAME} or default_config(model=...) selects the model"
        )
    near = _similar(name, keys)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"no such key; {hint}--help lists all keys"


def _similar(name: str, keys: Iterable[str]) -> list[str]:
    """Returns the keys to suggest for an unknown one: those whose last part is similar."""
    last = name.rpartition(".")[2]
    lasts = [key.rpartition(".")[2] for key in keys]
    closest = difflib.get_close_matches(last, lasts, 1, cutoff=0.7)
    near = [key for key, own in zip(keys, lasts, strict=True) if own in closest]
    return difflib.get_close_matches(name, near, MOST_SUGGESTIONS, cutoff=0)


def settings_of(config: ConfigDict) -> Settings:
    """Checks a configuration and converts it to the dataclasses of its groups.

    Raises:
        UserError: If a key is unknown, a value is not allowed, or values are inconsistent.
    """
    flat = flatten(config)
    check(flat)
    data = DataConfig(**_group(flat, "data"))
    return Settings(
        **{name: flat[name] for name in ("seed", "batch_size", "precision", "remat")},
        data=data,
        prepared_dir=data.prepared_dir or str(data_cache()),
        crop=data.crop_size,
        augmentation=_augmentation(flat),
        synthetic=_synthetic(flat, data),
        folder=_folder(flat),
        model=_model(flat, data),
        loss=_loss(flat),
        optimizer=_built(OptimizerConfig, "optimizer", flat),
        loop=LoopConfig(**{name: flat[name] for name in described(LoopConfig)}),
        evaluation=_built(EvaluationConfig, "evaluation", flat),
    )


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns the keys that differ between two configurations and must not change in a run.

    Missing keys have their defaults.
    """
    defaults = {name: key.default for name, key in keys_for(new).items()}

    def plain(flat: dict[str, Any]) -> dict[str, Any]:
        whole = defaults | flat
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


def _built(kind: Any, group: str, flat: dict[str, Any], **others: Any) -> Any:
    """Builds the dataclass of a group from the keys that are its fields."""
    values = _group(flat, group)
    fields = [field.name for field in dataclasses.fields(kind) if field.name in values]
    with named(f"config.{group}."):
        return kind(**{name: values[name] for name in fields}, **others)


@contextlib.contextmanager
def named(prefix: str) -> Iterator[None]:
    """Converts a `ValueError` to a `UserError` whose message begins with a prefix."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{prefix}{error}") from None


def model_of(flat: dict[str, Any]) -> ModelConfig:
    """Builds only the settings of the model, from the checked values of a configuration.

    Raises:
        UserError: If they do not fit each other.
    """
    model: ModelConfig = _built(MODELS[flat[MODEL_NAME]].config, "model", flat)
    return model


def _model(flat: dict[str, Any], data: DataConfig) -> ModelConfig:
    model = model_of(flat)
    with named(f"config.data.crop={data.crop}: "):
        model.check_size(*data.crop_size)
    return model


def _synthetic(flat: dict[str, Any], data: DataConfig) -> SyntheticConfig:
    synthetic: SyntheticConfig = _built(SyntheticConfig, "data.synthetic", flat)
    if data.name == "synthetic" and synthetic.image_size < max(data.crop_size):
        raise UserError(
            f"config.data.crop={data.crop}: allowed is at most "
            f"data.synthetic.image_size={synthetic.image_size}"
        )
    return synthetic


def _folder(flat: dict[str, Any]) -> FolderConfig:
    folder: FolderConfig = _built(
        FolderConfig, "data.folder", flat, num_classes=flat["model.num_classes"]
    )
    return folder


def _augmentation(flat: dict[str, Any]) -> AugmentConfig | None:
    kind = CentredAugmentConfig if flat["data.name"] == "folder" else AugmentConfig
    # Checked even if it is not used: its values are in `config.json`.
    augmentation: AugmentConfig = _built(kind, "data.augmentation", flat)
    return augmentation if flat["data.augment"] else None


def _loss(flat: dict[str, Any]) -> LossConfig:
    objective = _built(OBJECTIVES[flat[OBJECTIVE_NAME]], "objective", flat)
    loss: LossConfig = _built(LossConfig, "objective", flat, objective=objective)
    return loss
