"""The proposed crop and network fit the images and are accepted."""

import itertools
import math

import pytest

from hpunet.config.files import override
from hpunet.config.settings import check, default_config, flatten, settings_of
from hpunet.inspection.proposal import DatasetFacts, propose

LIDC = DatasetFacts(
    side=180,
    long_side=180,
    extent=59.0,
    disputed_side=14.0,
    marked_share=0.016,
    images=8882,
    any_size=False,
)
OWN = DatasetFacts(
    side=300, long_side=400, extent=100.0, disputed_side=20.0, marked_share=0.2, images=50
)


def config(**changes):
    given = {"data.name": "folder", "data.dir": "somewhere"} | changes
    return override(default_config(), {name: str(value) for name, value in given.items()})


def values(facts, **changes):
    proposal = propose(facts, flatten(config(**changes)))
    return {key: choice.value for key, choice in proposal.choices.items()}


def test_lidc_gets_the_papers_crop_levels_widths_and_scales():
    proposal = propose(LIDC, flatten(default_config()))
    assert {key: choice.value for key, choice in proposal.choices.items()} == {
        "data.crop": 128,
        "model.channels_per_block": (24, 48, 96, 192, 192, 192, 192, 192),
        "model.latent_dims": (1, 1, 1, 1),
    }
    assert proposal.differing == []


@pytest.mark.parametrize(
    "side", [1, 7, 31, 32, 33, 64, 90, 127, 128, 200, 256, 383, 384, 600, 5000]
)
def test_every_proposal_is_a_configuration_that_is_accepted(side):
    given = config(**{"model.down_channels_per_block": (12, 24, 48, 96, 96, 96, 96, 96)})
    configured, accepted = flatten(given), {}
    for extent, disputed, images, any_size in itertools.product(
        (math.nan, 1.0, 40.0, side, 2 * side, 9000.0),
        (math.nan, 1.0, 3.5, 40.0, 5000.0),
        (0, 99, 100, 1000),
        (True, False),
    ):
        facts = DatasetFacts(side, 3 * side, extent, disputed, 0.01, images, any_size)
        proposal = propose(facts, configured)
        if proposal.flags not in accepted:
            accepted[proposal.flags] = accept(given, proposal.flags)
        assert all(choice.reason for choice in proposal.choices.values())
        assert propose(facts, accepted[proposal.flags]).differing == []


def accept(given, flags):
    """The keys of a configuration with flags, all of which are accepted."""
    words = (word.removeprefix("--config.").split("=") for word in flags.split())
    changed = override(given, dict(words))
    check(flatten(changed))
    settings = settings_of(changed)
    height, width = settings.crop
    coarsest, *_ = settings.model.latent_shapes(height, width)
    assert coarsest == (1, 1, 1)
    assert 32 <= height == width <= 512
    return flatten(changed)


@pytest.mark.parametrize(
    ("side", "extent", "crop", "sizes"),
    [
        (20, 10, 32, "crop"),
        (90, 40, 64, "crop"),
        (95, 50, 64, "crop"),
        (127, 50, 64, "annotated"),
        (128, 50, 128, "crop"),
        (300, 200, 256, "crop"),
        (3000, 200, 256, "annotated"),
        (3000, 300, 512, "annotated"),
        (3000, 600, 256, "resize"),
        (300, 290, 256, "crop"),
        (240, 200, 256, "crop"),
        (3000, math.nan, 256, "annotated"),
    ],
)
def test_crop_holds_what_is_marked_and_most_images_hold_the_crop(side, extent, crop, sizes):
    found = values(OWN._replace(side=side, long_side=side, extent=extent, marked_share=0.01))
    assert (found["data.crop"], found["data.folder.sizes"]) == (crop, sizes)


def test_crops_come_from_anywhere_where_much_is_marked():
    facts = OWN._replace(side=3000, marked_share=0.2)
    assert values(facts)["data.folder.sizes"] == "crop"


@pytest.mark.parametrize(
    ("disputed_width", "thickness", "sizes"),
    [(30, 200, "resize"), (12, 200, "resize"), (11, 200, "annotated"), (30, 11, "annotated")],
)
def test_images_are_not_resized_where_less_than_a_pixel_would_be_left(
    disputed_width, thickness, sizes
):
    facts = OWN._replace(side=3000, long_side=3000, extent=2000.0, marked_share=0.01)
    facts = facts._replace(disputed_width=disputed_width, thickness=thickness)
    proposal = propose(facts, flatten(config()))
    assert proposal.choices["data.folder.sizes"].value == sizes
    reason = proposal.choices["data.crop"].reason
    assert ("less than a pixel" in reason) == (sizes != "resize")


@pytest.mark.parametrize(("width", "scales"), [(2.75, 4), (3, 6), (math.nan, 6)])
def test_few_scales_draw_outlines_that_differ(width, scales):
    facts = OWN._replace(disputed_side=8.0, disputed_width=width)
    assert values(facts)["model.latent_dims"] == (1,) * scales


def test_cells_of_patches_are_not_smaller_than_the_papers():
    facts = OWN._replace(side=3000, long_side=3000, disputed_side=4.0, disputed_width=4.0)
    assert values(facts)["model.latent_dims"] == (1,) * 5


def test_images_of_one_size_are_neither_padded_nor_resized():
    facts = OWN._replace(side=200, extent=190.0, any_size=False)
    found = values(facts)
    assert found["data.crop"] == 128
    assert "data.folder.sizes" not in found


@pytest.mark.parametrize(
    ("disputed", "scales"),
    [(math.nan, 4), (256.0, 1), (1000.0, 1), (128.0, 2), (33.0, 4), (8.0, 6), (0.5, 8)],
)
def test_finest_latent_is_as_large_as_regions_of_disagreement(disputed, scales):
    assert values(OWN._replace(disputed_side=disputed))["model.latent_dims"] == (1,) * scales


def test_regions_shrink_with_images_that_are_resized():
    facts = OWN._replace(side=3000, long_side=4096, extent=3000.0, disputed_side=512.0)
    found = values(facts)
    assert found["data.folder.sizes"] == "resize"
    assert found["model.latent_dims"] == (1,) * 4


@pytest.mark.parametrize(("images", "first"), [(20, 8), (99, 8), (100, 12), (1000, 24)])
def test_widths_follow_the_number_of_training_images(images, first):
    widths = values(OWN._replace(images=images))["model.channels_per_block"]
    assert (widths[0], len(widths)) == (first, 9)


def test_inner_widths_of_another_number_of_levels_are_taken_back():
    assert "model.down_channels_per_block" not in values(OWN)
    inner = (4,) * 8
    found = values(OWN, **{"model.down_channels_per_block": inner})
    assert found["model.down_channels_per_block"] is None
