import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import hpunet
from hpunet.io.errors import UserError
from hpunet.weights.deepmind.names import reference_names
from hpunet.weights.deepmind.shapes import find_configs
from tests import golden_reference

SCOPE = "model/HPUNet"
LIDC = hpunet.HierarchicalConfig()


def shapes_of(config, image_channels, scope=SCOPE):
    parameters = hpunet.build_model(config).list_parameters(image_channels)
    names = reference_names(parameters, scope)
    return {n: p.shape for n, p in zip(names, parameters, strict=True)}


LIDC_SHAPES = shapes_of(LIDC, 1)


@st.composite
def settings(draw):
    num_levels = draw(st.integers(2, 5))
    # Few widths: where neighbours are equal, 1x1 convolutions are left out.
    widths = st.lists(st.sampled_from((1, 2, 3, 4)), min_size=num_levels, max_size=num_levels)
    dims = st.lists(st.sampled_from((1, 2, 4, 6)), min_size=1, max_size=num_levels - 1)
    return {
        "latent_dims": draw(dims),
        "channels_per_block": draw(widths),
        "down_channels_per_block": draw(widths),
        "num_classes": draw(st.integers(2, 4)),
        "convs_per_block": draw(st.integers(1, 3)),
        "blocks_per_level": draw(st.integers(1, 3)),
    }


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(settings(), st.integers(1, 4), st.sampled_from(("model/HPUNet", "a", "")))
def test_settings_of_any_network_are_found(settings, image_channels, scope):
    config = hpunet.HierarchicalConfig(**settings)
    assert find_configs(shapes_of(config, image_channels, scope), scope) == [config]


@pytest.mark.parametrize("name", golden_reference.NAMES)
def test_settings_of_the_reference_networks_are_found(name):
    with np.load(golden_reference.FOLDER / f"{name}.npz") as values:
        meta = json.loads(str(values["meta"]))
    config = hpunet.HierarchicalConfig(**meta["cfg"], num_classes=meta["num_classes"])
    shapes = LIDC_SHAPES if config == LIDC else shapes_of(config, meta["in_channels"])
    assert find_configs(shapes, SCOPE) == [config]


@pytest.mark.parametrize("part", ["prior", "posterior"])
def test_settings_are_found_although_one_part_lacks_a_variable(part):
    shapes = dict(LIDC_SHAPES)
    del shapes[f"{SCOPE}/{part}/conv_2d_40/w"]
    assert find_configs(shapes, SCOPE) == [LIDC]


def test_classes_are_found_without_the_logits():
    shapes = dict(LIDC_SHAPES)
    del shapes[f"{SCOPE}/f_comb/logits/w"]
    assert find_configs(shapes, SCOPE) == [LIDC]


@pytest.mark.parametrize(
    "change",
    [
        lambda name, shape: (name, (*shape[:-1], 7)),
        lambda name, shape: (name, shape[1:]),
        lambda name, shape: (name, (5, 5, *shape[2:])),
        lambda name, shape: (name, (0,) * len(shape)),
        lambda name, shape: (name, (3, 3, 1, 1)),
        lambda name, shape: (f"{name}_", shape),
    ],
)
def test_shapes_of_other_networks_are_refused(change):
    shapes = dict(change(*item) for item in LIDC_SHAPES.items())
    with pytest.raises(
        UserError, match="do not fit a Hierarchical Probabilistic U-Net; --config gives"
    ):
        find_configs(shapes, SCOPE)


def test_network_of_absurdly_many_levels_is_refused():
    kernels = [(3, 3, 1, 1)] * 5000 + [(1, 1, 1, 2), (3, 3, 3, 1), (1, 1, 3, 1)]
    shapes = {
        f"{SCOPE}/{part}/conv_2d{f'_{i}' if i else ''}/w": shape
        for part in ("prior", "posterior")
        for i, shape in enumerate(kernels)
    }
    with pytest.raises(UserError, match="do not fit a Hierarchical"):
        find_configs(shapes, SCOPE)
