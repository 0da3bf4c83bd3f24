"""The keys of a configuration, collected from the dataclasses of `data.py` and `training.py`.

The files in `configs/` set only the values that differ from the defaults.
"""

from typing import Any

from hpunet.config.data import AugmentConfig, DataConfig, FolderConfig, SyntheticConfig
from hpunet.config.training import (
    OBJECTIVES,
    EvaluationConfig,
    LoopConfig,
    LossConfig,
    OptimizerConfig,
    RunConfig,
)
from hpunet.models.base import MODELS
from hpunet.models.fields import Setting, one_of, settings_of

DEFAULT_MODEL = "hierarchical"
MODEL_NAME, OBJECTIVE_NAME = "model.name", "objective.name"

# Keys that may change when a run is resumed, because they do not change what a step computes. The
# folder of the data is among them: a checksum identifies the data.
FREE_KEYS = (*settings_of(LoopConfig), "remat", "data.dir", "data.prepared_dir", "data.num_workers")


def keys_of(model: str = DEFAULT_MODEL) -> dict[str, Setting]:
    """Returns the keys of a configuration by full name, in the order of `config.json`.

    Args:
        model: A name in `hpunet.models.base.MODELS`. The keys of other models are not included.
    """
    groups: dict[str, dict[str, Setting]] = {
        "": settings_of(RunConfig) | settings_of(LoopConfig),
        "data": settings_of(DataConfig),
        "data.augmentation": settings_of(AugmentConfig),
        "data.synthetic": settings_of(SyntheticConfig),
        "data.folder": settings_of(FolderConfig),
        "model": {"name": _name_of_model(model), **settings_of(MODELS[model].config)},
        "objective": _objective(model),
        "optimizer": settings_of(OptimizerConfig),
        "evaluation": settings_of(EvaluationConfig),
    }
    return {
        f"{group}.{name}".lstrip("."): setting
        for group, settings in groups.items()
        for name, setting in settings.items()
    }


def _name_of_model(model: str) -> Setting:
    return Setting(model, one_of(*MODELS), "Name of the model; its own keys are model.*.")


def _objective(model: str) -> dict[str, Setting]:
    usual = MODELS[model].config.usual_objective
    name = Setting(usual, one_of(*OBJECTIVES), "Objective of training.")
    own: dict[str, Any] = {}
    for kind in OBJECTIVES.values():
        own |= settings_of(kind)
    return {"name": name, **own, **settings_of(LossConfig)}
