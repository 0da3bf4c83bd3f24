"""What is marked and disputed decides on patches or whole images: vessels, lesions, organs."""

import numpy as np
import pytest
from scipy import ndimage

from hpunet.config.settings import flatten
from hpunet.inspection.json_report import as_json
from hpunet.inspection.proposal import propose
from hpunet.inspection.survey import survey_dataset
from tests.inspection.annotated_folder import example, reader
from tests.inspection.test_proposal import config

SIZE = 640


def disc(radius, row=SIZE / 2, column=SIZE / 2):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.hypot(rows - row, columns - column) < radius


def vessels(rng, width, number=6):
    """Lines across the image that turn slowly."""
    lines = np.zeros((SIZE, SIZE), bool)
    for _ in range(number):
        place, angle = rng.uniform(0.1, 0.9, 2) * SIZE, rng.uniform(0, 2 * np.pi)
        for _ in range(SIZE):
            angle += rng.normal(0, 0.03)
            place = place + np.array([np.sin(angle), np.cos(angle)])
            row, column = place.astype(int)
            if 0 <= row < SIZE and 0 <= column < SIZE:
                lines[row, column] = True
    return ndimage.distance_transform_edt(~lines) <= (width - 1) / 2


def outlines(mask):
    """Annotators who draw the same structures a pixel tighter or wider."""
    return mask, mask & np.roll(mask, 1, 1), ndimage.binary_dilation(mask)


def scattered(rng, radius, number=25):
    places = rng.uniform(0.05, 0.95, (number, 2)) * SIZE
    return [
        np.any([disc(radius, *place) for place in places if rng.random() < 0.7], axis=0)
        for _ in range(3)
    ]


def inspected(draw, images=3):
    rng = np.random.default_rng(0)
    examples = [
        example(dict(zip("abc", draw(rng), strict=True)), name=str(n)) for n in range(images)
    ]
    survey = survey_dataset(reader(examples))
    proposal = propose(survey.facts(any_size=True), flatten(config()))
    return survey, proposal


def values_of(proposal):
    return {key: choice.value for key, choice in proposal.choices.items()}


@pytest.mark.parametrize("width", [2, 5, 9])
def test_vessels_get_patches_at_full_resolution_and_few_scales(width):
    survey, proposal = inspected(lambda rng: outlines(vessels(rng, width)))
    assert survey.shapes.extent == SIZE
    assert survey.shapes.part_extent < 256
    assert survey.shapes.disputed_width < 3
    values = values_of(proposal)
    assert values["data.folder.sizes"] in ("crop", "annotated")
    assert values["data.crop"] == 256
    assert len(values["model.latent_dims"]) <= 4
    reason = proposal.choices["data.crop"].reason
    assert f"a marked part is {survey.shapes.part_length:.0f} px long" in reason
    shrunk = survey.shapes.disputed_width * 256 / SIZE
    assert (f"from {SIZE} to 256 px would show disagreement of " in reason) == (shrunk < 1)


def test_vessels_that_some_annotators_leave_out_get_patches():
    def draw(rng):
        thick, thin = vessels(rng, 7), vessels(rng, 3, number=2)
        return thick, thick | thin, thick | thin

    values = values_of(inspected(draw)[1])
    assert values["data.folder.sizes"] != "resize"
    assert len(values["model.latent_dims"]) <= 4


@pytest.mark.parametrize("radius", [3, 8, 15])
def test_scattered_lesions_get_patches_around_what_is_marked(radius):
    survey, proposal = inspected(lambda rng: scattered(rng, radius))
    assert survey.shapes.extent > 256
    assert survey.shapes.part_extent < 128
    values = values_of(proposal)
    assert values["data.crop"] == 256
    assert values["data.folder.sizes"] in ("crop", "annotated")
    assert len(values["model.latent_dims"]) <= 5


def test_a_large_part_whose_outlines_differ_by_less_than_a_small_pixel_is_not_shrunk():
    part = disc(290)
    masks = part, ndimage.binary_erosion(part), part
    survey, proposal = inspected(lambda rng: masks)
    assert survey.shapes.part_extent > 512
    assert survey.shapes.disputed_width < 640 / 256
    values = values_of(proposal)
    assert values["data.folder.sizes"] == "crop"
    assert "less than a pixel" in proposal.choices["data.crop"].reason


def test_a_large_part_that_annotators_draw_differently_is_shrunk():
    masks = disc(230), disc(260), disc(300)
    _, proposal = inspected(lambda rng: masks)
    values = values_of(proposal)
    assert (values["data.crop"], values["data.folder.sizes"]) == (256, "resize")


def test_a_compact_lesion_is_proposed_as_before():
    survey, proposal = inspected(lambda rng: (disc(20), disc(26), disc(30)))
    assert survey.shapes.part_extent == survey.shapes.extent == 59
    values = values_of(proposal)
    assert (values["data.crop"], values["data.folder.sizes"]) == (256, "annotated")
    assert len(values["model.latent_dims"]) == 4


def test_json_holds_the_lengths_behind_the_proposal():
    survey, proposal = inspected(lambda rng: outlines(vessels(rng, 5)), images=1)
    sizes = as_json(survey, 32, proposal)["sizes"]
    assert sizes["marked_extent"] >= sizes["part_length"] > 256
    assert 4 < sizes["part_thickness"] < 8
    assert sizes["part_extent"] < 80
    assert sizes["disputed_width"] < 2
