"""The page that a person looks at: whole, safe, small, and with the numbers it was given."""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from hpunet.inference.hypotheses import Hypothesis
from hpunet.report import write_page
from hpunet.report.wording import letters, plain
from tests.report.page_cases import Reader, decoded, made_up, page, page_image_of

# Bytes; what a page of this size may weigh at most, noise of the image included.
MOST_OF_A_CROP, MOST_OF_A_SLICE = 300_000, 800_000


CASES = {
    "two classes": lambda: [made_up()],
    "several images": lambda: [made_up(), made_up(name="second"), made_up(name="third")],
    "one sample": lambda: [made_up(num_samples=1)],
    "one marked sample": lambda: [
        page_image_of(np.ones((1, 8, 9), np.uint8), np.zeros((8, 9), "u1"))
    ],
    "all empty": lambda: [
        page_image_of(np.zeros((5, 30, 40), np.uint8), np.zeros((30, 40), np.uint8))
    ],
    "many samples": lambda: [made_up(num_samples=100)],
    "four classes": lambda: [made_up(classes=4)],
    "colours": lambda: [made_up(image=np.zeros((40, 48, 3), np.uint8))],
    "part of the image": lambda: [made_up(region=(5, 6, 37, 38))],
    "no spacing": lambda: [made_up(spacing=None, unit="pixels")],
    "long pixels": lambda: [made_up(aspect=2.5)],
    "alike": lambda: [page_image_of(np.ones((3, 8, 9), np.uint8), np.zeros((8, 9), np.uint8))],
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_page_is_balanced_and_each_reference_within_it_is_met_once(case):
    reader = Reader(page(*CASES[case]()))
    ids = reader.attributes("id")
    assert len(ids) == len(set(ids))
    for reference in reader.attributes("href"):
        assert reference.startswith(("#", "data:image/png;base64,"))
        assert not reference.startswith("#") or reference[1:] in ids
    assert set(reader.attributes("data-use")) <= set(ids)


@pytest.mark.parametrize("case", sorted(CASES))
def test_page_asks_nobody_for_anything(case):
    text = page(*CASES[case]())
    assert "://" not in text
    assert "@import" not in text
    assert not re.search(r"url\(|\bsrc=|fetch\(|XMLHttp|import\(", text)
    policies = Reader(text).attributes("content")
    assert any(policy.startswith("default-src 'none'; img-src data:;") for policy in policies)


@pytest.mark.parametrize("case", sorted(CASES))
def test_same_content_gives_the_same_page(case):
    assert page(*CASES[case]()) == page(*CASES[case]())


@pytest.mark.parametrize("case", sorted(CASES))
def test_all_that_is_drawn_is_said_in_words_and_reached_by_keyboard(case):
    reader = Reader(page(*CASES[case]()))
    for tag, attributes in reader.elements:
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if "data-use" in attributes:
            assert tag == "button"
            assert attributes["data-caption"]


NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a&amp;b/' onload='x",
    "</title></style><b>",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_users_name_is_shown_and_never_run(name):
    images = [made_up(name=name, facts=[(name, name)]), made_up(name=name)]
    reader = Reader(page(*images, title=name, facts=[(name, name)]))
    plain_page = Reader(page(made_up(), made_up(name="b")))
    kinds = [tag for tag, _ in reader.elements if tag != "wbr"]
    assert sorted(kinds) == sorted(tag for tag, _ in plain_page.elements if tag != "wbr")
    assert reader.text.count(name) == 10
    assert not {
        key for _, attributes in reader.elements for key in attributes if key.startswith("on")
    }


def test_a_name_that_utf_8_cannot_hold_is_replaced():
    text = page(made_up(name="file\udcff\x00.png"))
    assert "file\ufffd\ufffd.png" in text
    text.encode("utf-8")


def test_shares_counts_and_areas_are_those_given():
    hypotheses = [
        Hypothesis(0.625, (0, 1, 2, 3, 4), 2, 31.25, 4.75, False),
        Hypothesis(0.375, (5, 6, 7), 6, 1234.0, 56.0, False),
    ]
    text = Reader(page(made_up(hypotheses=hypotheses))).text
    assert "63 % 5 of 8 samples" in text
    assert "31.2 ± 4.8 mm²" in text
    assert "38 % 3 of 8 samples" in text
    assert "1,234 ± 56 mm²" in text


def test_each_hypothesis_is_outlined_by_its_representative():
    hypotheses = [
        Hypothesis(0.75, (1, 2, 3, 5, 6, 7), 6, 1.0, 0.0, False),
        Hypothesis(0.25, (0, 4), 4, 0.0, 0.0, True),
    ]
    reader = Reader(page(made_up(hypotheses=hypotheses)))
    uses = [(a.get("href"), a.get("class")) for tag, a in reader.elements if tag == "use"]
    assert ("#s1-6", "k0 d0") in uses
    assert ("#s1-4", "k1 d1") not in uses
    assert "Hypothesis A (75 %), by its most typical sample." in reader.text
    assert "Hypothesis B (25 %) marks nothing." in reader.text


def test_outlines_that_lie_on_the_image_together_are_named_with_their_shares():
    groups = ((5, 6, 7), (0, 4), (1, 2), (3,))
    hypotheses = [Hypothesis(len(g) / 8, g, g[0], 1.0, 0.0, g == (0, 4)) for g in groups]
    text = Reader(page(made_up(hypotheses=hypotheses))).text
    assert "Hypotheses A (38 %), C (25 %) and D (13 %), each by its most typical" in text
    assert "Hypothesis B (25 %) marks nothing." in text


@pytest.mark.parametrize("num_samples", [1, 8, 100])
def test_each_sample_is_there_with_number_area_and_hypothesis(num_samples):
    image = made_up(num_samples=num_samples)
    reader = Reader(page(image))
    captions = reader.attributes("data-caption")
    for s, area in enumerate(image.areas):
        h = next(h for h, one in enumerate(image.hypotheses) if s in one.samples)
        size = f"{plain(area)} mm²" if area else "empty"
        assert f"Sample {s + 1}: {size}, hypothesis {letters(h)}." in captions
        assert f"s1-{s}" in reader.attributes("id")


def test_many_samples_wait_behind_a_summary_and_few_do_not():
    assert "Show all 65 samples" in Reader(page(made_up(num_samples=65))).text
    assert "Show all" not in Reader(page(made_up(num_samples=64))).text


def test_spread_of_the_area_and_empty_samples_are_said_in_words():
    image = made_up(num_samples=16, areas=np.arange(16.0) ** 2)
    text = Reader(page(image)).text
    low, high = np.percentile(image.areas, [5, 95])
    assert f"Mean {plain(image.areas.mean())} mm²" in text
    assert f"standard deviation {plain(image.areas.std())} mm²" in text
    assert f"percentile {plain(low)} to {plain(high)} mm²" in text
    assert "4 of 16 samples outline nothing." in text


def test_all_and_no_empty_samples_are_said_in_words():
    assert "All 5 samples outline nothing." in Reader(page(*CASES["all empty"]())).text
    assert "All 3 samples outline something." in Reader(page(*CASES["alike"]())).text


def test_area_is_drawn_once_a_sample():
    reader = Reader(page(made_up(num_samples=12)))
    assert [tag for tag, _ in reader.elements].count("circle") == 12


def test_columns_of_many_samples_are_as_high_as_their_shares():
    image = made_up(num_samples=400)
    reader = Reader(page(image))
    columns = [a for t, a in reader.elements if t == "rect" and a.get("class") in {"k0", "k1"}]
    heights = dict.fromkeys(("k0", "k1"), 0.0)
    for column in columns:
        heights[column["class"]] += float(column["height"])
    assert heights["k0"] / heights["k1"] == pytest.approx(3, rel=0.02)


def test_page_says_that_it_is_no_medical_device_and_what_a_share_means():
    text = Reader(page(made_up())).text
    assert "not a medical device" in text
    assert "not how likely a disease is" in text


def test_images_are_taken_one_at_a_time_and_listed():
    file, taken = io.StringIO(), []

    def images():
        for n in range(4):
            # All that came before is in the file already.
            assert file.getvalue().count("</article>") == n
            taken.append(n)
            yield made_up(name=f"slice {n}")

    write_page(file, "Volume", [], images())
    reader = Reader(file.getvalue())
    links = [attributes["href"] for tag, attributes in reader.elements if tag == "a"]
    assert taken == [0, 1, 2, 3]
    assert links == [f"#image-{n}" for n in (1, 2, 3, 4)]


def test_images_without_results_are_listed_with_their_reasons():
    file, failed = io.StringIO(), []

    def images():
        yield made_up()
        failed.append(("a<b>.png", "is empty"))

    write_page(file, "Pictures", [], images(), lambda: failed)
    reader = Reader(file.getvalue())
    assert "Without results" in reader.text
    assert "a<b>.png" in reader.text
    assert "is empty" in reader.text
    assert "Without results" not in Reader(page(made_up())).text


def test_a_single_image_needs_no_list():
    assert "<nav" not in page(made_up())


def test_each_class_has_its_maps_outlines_and_name():
    image = made_up(classes=4)
    reader = Reader(page(image))
    captions = " ".join(reader.attributes("data-caption"))
    for c in (1, 2, 3):
        assert f"class {c}" in reader.text
        assert f"Mean, class {c}" in captions
        assert f"Standard deviation, class {c}" in captions
    paths = {attributes.get("class") for tag, attributes in reader.elements if tag == "path"}
    assert {"c0", "c1", "c2"} <= paths


def test_a_class_that_no_sample_marks_has_no_maps():
    image = made_up()
    empty = np.zeros_like(image.mean)
    image = image._replace(mean=np.append(image.mean, empty, 0), std=np.append(image.std, empty, 0))
    captions = " ".join(Reader(page(image)).attributes("data-caption"))
    assert "Mean, class 1" in captions
    assert "class 2" not in captions


def test_image_is_embedded_as_it_is():
    image = made_up()
    uris = [uri for uri in Reader(page(image)).attributes("href") if uri.startswith("data:")]
    assert np.array_equal(np.asarray(decoded(uris[0])), image.image)


@pytest.mark.parametrize("size", [(180, 180), (512, 512)])
def test_page_of_one_image_stays_small(size):
    # Noise of a few grey values, as in computed tomography, is what compresses worst.
    noise = np.random.default_rng(1).integers(0, 24, size)
    rows = np.indices(size)[0] * 200 // size[0]
    image = made_up(size=size, num_samples=16, image=(rows + noise).astype(np.uint8))
    most = MOST_OF_A_CROP if size == (180, 180) else MOST_OF_A_SLICE
    assert len(page(image).encode()) < most


def test_noise_of_an_untrained_network_stays_small():
    samples = np.random.default_rng(2).integers(0, 2, (16, 180, 180)).astype(np.uint8)
    image = page_image_of(samples, np.zeros((180, 180), np.uint8))
    assert len(page(image).encode()) < MOST_OF_A_CROP


def test_large_pictures_are_embedded_reduced_and_keep_their_place():
    image = made_up(size=(3, 4100), num_samples=1)
    reader = Reader(page(image))
    image = next(a for _, a in reader.elements if a.get("id") == "i1")
    assert decoded(image["href"]).size == (1367, 1)
    assert (image["width"], image["height"]) == ("4101", "3")
    assert "Embedded with 1/3 of the image's pixels a side" in reader.text
    assert "Embedded with" not in Reader(page(made_up())).text


WRONG = {
    "image of another size": {"image": np.zeros((3, 3), np.uint8)},
    "entropy of another size": {"entropy": np.zeros((3, 3), np.float32)},
    "an area too few": {"areas": np.zeros(7)},
    "a class without a mean": {"samples": np.full((8, 40, 48), 2, np.uint8)},
    "a sample in no hypothesis": {"hypotheses": [Hypothesis(1.0, (0, 1), 0, 1.0, 0.0, False)]},
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_what_does_not_fit_is_refused_with_the_image_named(case):
    with pytest.raises(ValueError, match=r"^patient 1/slice_3: "):
        page(made_up(**WRONG[case]))


def test_style_and_script_cannot_end_their_elements():
    folder = Path(write_page.__code__.co_filename).parent
    for name in ("page.css", "page.js"):
        assert "</" not in (folder / name).read_text(encoding="utf-8")


def test_template_escapes_everything():
    template = Path(write_page.__code__.co_filename).with_name("page.html.jinja")
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape", text)
