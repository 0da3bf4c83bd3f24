"""Every configuration loads, fits itself and says what it means; mistakes end in one line."""

import dataclasses
import math

import pytest

from hpunet.config.data import AugmentConfig, DataConfig, FolderConfig, SyntheticConfig
from hpunet.config.files import config_files, load_config, override
from hpunet.config.keys import keys_of
from hpunet.config.settings import check, default_config, flatten, settings_of
from hpunet.config.training import (
    ElboConfig,
    EvaluationConfig,
    GecoConfig,
    LoopConfig,
    LossConfig,
    OptimizerConfig,
)
from hpunet.io.errors import UserError
from hpunet.models.fields import settings_of as settings_of_fields
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.model import build_model

KEYS = keys_of()
NUM_PARAMETERS = {"folder": 21_877_230, "lidc": 21_877_230, "synthetic": 177_898}

# What is not allowed, one value a kind of check at least, and a piece of what is.
ILLEGAL = {
    "seed": (-1, "whole numbers from 0 to 2147483647"),
    "num_steps": (0, "whole numbers from 1 to 2147483647"),
    "batch_size": (True, "whole numbers from 1 to 2147483647"),
    "log_every": (1.5, "whole numbers from 1 to 2147483647"),
    "evaluate_every": ("often", "whole numbers from 0 to 2147483647"),
    "precision": ("float16", "'float32' or 'bfloat16'"),
    "remat": ("sometimes", "True or False"),
    "data.name": ("brats", "'synthetic', 'lidc' or"),
    "data.dir": (3, "None or a nonempty text"),
    "data.prepared_dir": (3, "None or a nonempty text"),
    "data.crop": ((128, 0), "or (height, width) with whole numbers from 1"),
    "data.augment": ("maybe", "True or False"),
    "data.pixel_spacing": (0.0, "None or numbers above 0"),
    "data.augmentation.rotation_degrees": (181.0, "numbers from 0 to 180"),
    "data.augmentation.scale": ((0.0, 1.0), "two numbers above 0, ascending"),
    "data.synthetic.p_drawn": (1.5, "numbers from 0 to 1"),
    "data.synthetic.p_protrusion": (0.5, "a list of numbers from 0 to 1, at most 4"),
    "data.folder.split_shares": ((0.5, 1.5), "a list of numbers from 0 to 1"),
    "data.folder.sizes": ("whole", "'crop', 'annotated' or 'resize'"),
    "data.folder.range": ((4, 3), "None or two finite numbers, ascending"),
    "data.folder.percentiles": ((0, 101), "two numbers from 0 to 100, ascending"),
    "model.latent_dims": ((1, 0), "a list of one or more whole numbers from 1 to"),
    "model.down_channels_per_block": (
        (1, "a"),
        "None or a list of one or more whole numbers from 1 to",
    ),
    "model.num_classes": (1, "whole numbers from 2 to 2147483647"),
    "objective.name": ("geko", "'geco' or 'elbo'"),
    "objective.kappa": (0.0, "numbers above 0"),
    "objective.decay": (1.0, "numbers from 0 to 0.999999"),
    "objective.top_k_fraction": (1.1, "None or numbers above 0 and at most 1"),
    "objective.l2": (float("nan"), "numbers of at least 0"),
    "optimizer.learning_rate": (float("inf"), "numbers above 0"),
    "optimizer.schedule": ("linear", "'constant', 'piecewise' or 'cosine'"),
}

# Changes to the synthetic configuration that are legal one by one but do not fit, and what the
# message must hold.
UNFIT = {
    "crop no multiple": (
        {"data.crop": "20", "model.channels_per_block": "8,8,8,8", "model.latent_dims": "1"},
        ["config.data.crop=20: ", "16 or 24"],
    ),
    "crop larger than image": ({"data.crop": "64"}, ["config.data.crop=64", "image_size=32"]),
    "as many scales as levels": (
        {"model.channels_per_block": "8,8,8,8", "model.latent_dims": "1,1,1,1"},
        ["config.model.latent_dims=(1, 1, 1, 1)", "4 levels"],
    ),
    "widths missing": (
        {"model.down_channels_per_block": "(8, 8)"},
        ["down_channels_per_block=(8, 8)", "channels_per_block"],
    ),
    "boundaries not ascending": (
        {"optimizer.boundaries": "(5, 3)", "optimizer.factors": "(0.5, 0.1)"},
        ["config.optimizer.boundaries=(5, 3)", "ascending"],
    ),
    "piecewise without boundaries": (
        {"optimizer.schedule": "piecewise"},
        ["config.optimizer.boundaries=()", "at least one step"],
    ),
    "factors missing": ({"optimizer.boundaries": "(5, 7)"}, ["factors=()", "2"]),
    "image size no multiple of 8": (
        {"data.synthetic.image_size": "36"},
        ["config.data.synthetic.image_size=36", "8"],
    ),
    "too many protrusions": (
        {"data.synthetic.p_protrusion": ".1,.1,.1,.1,.1"},
        ["p_protrusion", "at most 4"],
    ),
    "scale upside down": (
        {"data.augment": "True", "data.augmentation.scale": "(1.2, 0.8)"},
        ["data.augmentation.scale=(1.2, 0.8)", "ascending"],
    ),
    "elastic folds": (
        {"data.augment": "True", "data.augmentation.elastic_displacement": "9"},
        ["elastic_scale=16", "27"],
    ),
}


def refusal(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def num_parameters(model: HierarchicalConfig) -> int:
    return sum(math.prod(p.shape) for p in build_model(model).list_parameters(1))


def test_every_configuration_has_a_pinned_number_of_parameters():
    assert set(config_files()) == set(NUM_PARAMETERS)


@pytest.mark.parametrize("name", sorted(NUM_PARAMETERS))
def test_configuration_loads_and_its_network_keeps_its_size(name):
    settings = settings_of(load_config(config_files()[name]))
    assert num_parameters(settings.model) == NUM_PARAMETERS[name]


@pytest.mark.parametrize("name", sorted(NUM_PARAMETERS))
def test_configuration_says_how_to_run_it(name):
    header = config_files()[name].read_text(encoding="utf-8")
    assert f"python -m hpunet.train --config=configs/{name}.py --workdir=" in header


def test_configuration_changes_known_keys_only_and_keeps_types():
    for path in config_files().values():
        check(flatten(load_config(path)))


@pytest.mark.parametrize("name", sorted(KEYS))
def test_key_has_a_meaning_and_a_default_that_is_allowed(name):
    key = KEYS[name]
    assert key.allowed.test(key.default)
    assert key.meaning.endswith(".")
    assert key.allowed.text


@pytest.mark.parametrize("name", sorted(ILLEGAL))
def test_illegal_value_is_refused_with_key_value_and_what_is_allowed(name):
    value, allowed = ILLEGAL[name]
    with pytest.raises(UserError) as error:
        check({name: value})
    message = refusal(error)
    assert f"{name}={value!r}" in message
    assert allowed in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 2**31),
        ("seed", 10**30),
        ("num_steps", 10**30),
        ("objective.beta", 10**400),
        ("data.dir", ""),
        ("data.prepared_dir", "a\0b"),
    ],
)
def test_value_that_no_machine_takes_is_refused(name, value):
    with pytest.raises(UserError, match=rf"^config.{name}=.*: allowed values are ") as error:
        check({name: value})
    refusal(error)


@pytest.mark.parametrize("name", ["optimiser.learning_rate", "data", "sede", "model.width"])
def test_unknown_key_is_refused_by_name(name):
    with pytest.raises(UserError, match=f"config.{name}: no such key"):
        override(default_config(), {name: "1"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("optimiser.learning_rate", "did you mean optimizer.learning_rate? "),
        ("num_classes", "did you mean model.num_classes? "),
        ("sede", "did you mean seed"),
        ("model.width", ""),
        ("lr", ""),
    ],
)
def test_only_similar_keys_are_suggested(name, hint):
    with pytest.raises(UserError) as error:
        override(default_config(), {name: "1"})
    assert ("did you mean" in str(error.value)) == bool(hint)
    assert hint in str(error.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.folder.split_shares", "(0.5, 0.1, 0.1)"),
        ("data.folder.classes", "lesion"),
        ("data.folder.annotator_weights", "anna"),
        ("data.folder.patient", "("),
        ("data.folder.range", "(1, 1)"),
        ("data.augmentation.elastic_displacement", "9"),
    ],
)
def test_illegal_values_are_refused_even_if_they_are_not_used(name, text):
    unused = {"data.name": "synthetic", "data.augment": "false"}
    with pytest.raises(UserError, match=r"^config\.data\."):
        settings_of(override(default_config(), {**unused, name: text}))


@pytest.mark.parametrize("case", sorted(UNFIT))
def test_values_that_do_not_fit_each_other_are_refused(case):
    changes, parts = UNFIT[case]
    with pytest.raises(UserError) as error:
        settings_of(override(load_config(config_files()["synthetic"]), changes))
    message = refusal(error)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("batch_size", "8", 8),
        ("data.augment", "false", False),
        ("data.dir", "some/folder", "some/folder"),
        ("data.dir", "2019", "2019"),
        ("data.dir", "None", None),
        ("data.pixel_spacing", "0.7", 0.7),
        ("model.latent_dims", "(3, 2)", (3, 2)),
        ("model.latent_dims", "3,2", (3, 2)),
        ("model.latent_dims", "3", (3,)),
        ("objective.top_k_fraction", "none", None),
        ("objective.top_k_fraction", "0.1", 0.1),
        ("optimizer.learning_rate", "1", 1.0),
        ("optimizer.learning_rate", "3e-4", 3e-4),
    ],
)
def test_text_on_the_command_line_becomes_the_value_of_its_key(name, text, value):
    for config in (default_config(), load_config(config_files()["synthetic"])):
        changed = flatten(override(config, {name: text}))[name]
        assert changed == value
        assert type(changed) is type(value)


def test_override_leaves_the_given_configuration_alone():
    config = default_config()
    override(config, {"data.crop": "8", "model.latent_dims": "2"})
    assert flatten(config) == flatten(default_config())


@pytest.mark.parametrize(
    "settings",
    [
        HierarchicalConfig(),
        AugmentConfig(),
        SyntheticConfig(),
        FolderConfig(),
        OptimizerConfig(),
        GecoConfig(),
        ElboConfig(),
        LoopConfig(),
        EvaluationConfig(),
        DataConfig(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_key_is_described_by_the_field_of_its_dataclass(settings):
    described = settings_of_fields(settings)
    for field in dataclasses.fields(settings):
        if field.name == "num_classes" and isinstance(settings, FolderConfig):
            continue  # A key of the model.
        homes = [name for name in KEYS if name.split(".")[-1] == field.name]
        assert any(KEYS[name] == described[field.name] for name in homes), field.name


def test_configurations_do_not_share_the_values_that_have_no_default():
    config = default_config()
    config.data.dir, config.data.folder.patient = "somewhere", "(.*)"
    assert flatten(default_config())["data.dir"] is None
    assert flatten(default_config())["data.folder.patient"] is None


def test_settings_of_the_defaults_are_the_dataclasses_defaults():
    settings = settings_of(default_config())
    assert settings.model == HierarchicalConfig()
    assert settings.synthetic == SyntheticConfig()
    assert settings.augmentation == AugmentConfig()
    assert settings.optimizer == OptimizerConfig()
    assert settings.loss == LossConfig(GecoConfig())
    assert settings.loop == LoopConfig()
    assert settings.evaluation == EvaluationConfig()
    assert settings.crop == (128, 128)
