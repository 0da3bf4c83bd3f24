from pathlib import Path

import pytest

from hpunet.imaging.selection import choose, parse_slices
from hpunet.imaging.volume import Slices, whole_volume
from hpunet.io.errors import UserError


class Geometry(list):
    def select(self, places):
        return Geometry(self[place] for place in places)


def volume_of(size):
    geometry = Geometry(range(size))
    return whole_volume(Path("ct.nii"), "nifti", size, lambda number: f"slice {number}", geometry)


VOLUME = volume_of(120)


def chosen(text, volume=VOLUME):
    return choose(volume, parse_slices(text), text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("12", [12]),
        ("all", range(120)),
        ("10:20", range(10, 20)),
        ("10:20:3", [10, 13, 16, 19]),
        ("118:", [118, 119]),
        (":2", [0, 1]),
        ("118:120", [118, 119]),
        ("::60", [0, 60]),
        ("3,5,8", [3, 5, 8]),
        ("8, 0:2", [8, 0, 1]),
    ],
)
def test_slices_are_numbers_and_ranges_without_their_end(text, numbers):
    scan = chosen(text)
    assert scan.numbers == tuple(numbers)
    assert scan.geometry == list(numbers)
    assert list(scan.pictures) == [f"slice {number}" for number in numbers]


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "1:2:0", "1:2:3:4", "1,,2", "10-20", "٣", "9" * 5000, "1;2"]
)
def test_other_texts_are_refused_with_what_is_allowed(text):
    with pytest.raises(UserError, match=r"--slices=.*: allowed are all, numbers such as 12"):
        parse_slices(text)


@pytest.mark.parametrize(("text", "last"), [("120", 120), ("110:121", 120), ("3,500", 500)])
def test_slices_beyond_the_volume_are_refused(text, last):
    with pytest.raises(UserError) as refused:
        chosen(text)
    expected = f"ct.nii: has no slice {last} (--slices={text}); allowed are 0 to 119"
    assert str(refused.value) == expected


@pytest.mark.parametrize("text", ["20:10", "5:5", ":0", "120:"])
def test_empty_ranges_are_refused(text):
    with pytest.raises(UserError, match=r"^ct\.nii: .* selects no slice; allowed are 0 to 119"):
        chosen(text)


def test_a_slice_named_twice_is_refused():
    with pytest.raises(UserError, match="names a slice twice"):
        chosen("3:6,5")


def test_a_volume_says_how_to_choose():
    expected = (
        "^ct.nii: is a volume of 120 slices: select some with --slices=60, "
        "--slices=40:80 or --slices=all$"
    )
    with pytest.raises(UserError, match=expected):
        chosen(None)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_the_examples_of_a_small_volume_are_allowed(size):
    with pytest.raises(UserError) as refused:
        chosen(None, volume_of(size))
    number, some = str(refused.value).split("--slices=")[1:3]
    for text in (number.strip(" ,"), some.split()[0]):
        assert chosen(text, volume_of(size)).numbers


def test_a_single_slice_needs_no_choice():
    scan = chosen(None, volume_of(1))
    assert scan.numbers is None
    assert scan.geometry == [0]


def test_slices_are_read_when_asked_for():
    read = []
    slices = Slices(lambda number: read.append(number) or number, range(10, 20))
    part = slices[2:5]
    assert (len(slices), len(part), read) == (10, 3, [])
    assert (part[-1], slices[0], read) == (14, 10, [14, 10])
    with pytest.raises(IndexError):
        slices[10]
