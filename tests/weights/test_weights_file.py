import json
import re

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

import hpunet
from hpunet.io.checksums import params_checksum
from hpunet.io.errors import UserError
from hpunet.models import initialization
from hpunet.models.hierarchical import network
from hpunet.models.initialization import Parameter
from hpunet.weights.file import check_params, header_of, read, save_weights
from hpunet.weights.published import load
from tests import tiny

MODEL = hpunet.build_model(tiny.CONFIG)
PREPROCESSING = {"crop": [8, 8], "pixel_spacing_mm": None, "intensity_range": [0, 255]}
# What the file knows from its weights.
STORED = {**PREPROCESSING, "image_channels": 1}
FIRST = "prior_encoder/level_0/block_0/conv_0"
LONGEST_MESSAGE = 500
# A network that is built before it is checked takes minutes, or all memory. This one has 80.
MOST_WEIGHTS = 1000


@pytest.fixture(scope="module")
def params():
    image = np.zeros((1, 8, 8, 1), np.float32)
    return MODEL.init(jax.random.key(0), image, np.zeros((1, 8, 8, 2), np.float32))


@pytest.fixture
def path(tmp_path, params):
    save_weights(tmp_path / "weights.safetensors", params, tiny.CONFIG, PREPROCESSING)
    return tmp_path / "weights.safetensors"


def flat(params):
    return {f"{m}/{n}": np.asarray(v) for m, ws in params.items() for n, v in ws.items()}


def changed(params, module, name, value):
    return {**params, module: {**params.get(module, {}), name: value}}


def test_weights_and_network_come_back(path, params):
    model, loaded = hpunet.load(path)
    assert model.config == tiny.CONFIG
    assert flat(loaded).keys() == flat(params).keys()
    for name, value in flat(params).items():
        np.testing.assert_array_equal(flat(loaded)[name], value)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_network_is_not_traced_again_for_further_files_of_its_shape(path, monkeypatch):
    load(path)
    monkeypatch.setattr(network, "list_parameters", None)
    load(path)


def test_list_of_weights_may_be_changed_by_who_asked_for_it():
    MODEL.list_parameters(1).clear()
    assert MODEL.list_parameters(1)


def test_one_reading_gives_weights_header_and_checksum(path, params):
    found = read(path)
    assert found.path == path
    assert found.model.config == tiny.CONFIG
    assert found.header.preprocessing == STORED
    assert found.checksum == params_checksum(params) == params_checksum(found.params)


def test_header_says_what_a_later_command_needs(path):
    header = read(path).header
    assert (header.network, header.preprocessing, header.source) == (tiny.CONFIG, STORED, None)
    assert header.prior_range is None


PRIOR_RANGE = {
    "location": [[-1.0, 2.0], [0.0, 0.0]],
    "log_scale": [[-3.5, 1.0], [-2.0, 0.5]],
    "num_images": 7,
}


def test_header_keeps_the_range_of_the_prior(tmp_path, params):
    path = tmp_path / "weights.safetensors"
    save_weights(path, params, tiny.CONFIG, STORED, prior_range=PRIOR_RANGE)
    assert read(path).header.prior_range == PRIOR_RANGE


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"location": [[0.0, 1.0]]}, "prior_range.location"),
        ({"location": [[1.0, 0.0], [0.0, 1.0]]}, "prior_range.location"),
        ({"log_scale": [[0.0, float("nan")], [0.0, 1.0]]}, "prior_range.log_scale"),
        ({"log_scale": None}, "prior_range.log_scale"),
        ({"num_images": 0}, "prior_range.num_images"),
        ({"other": []}, "prior_range"),
    ],
)
def test_wrong_range_of_the_prior_is_refused_by_name(tmp_path, params, changed, named):
    path = tmp_path / "weights.safetensors"
    save_weights(path, params, tiny.CONFIG, STORED, prior_range={**PRIOR_RANGE, **changed})
    with pytest.raises(UserError, match=re.escape(f"has {named}=")) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_header_of_other_weights_is_not_given(tmp_path, params):
    path = tmp_path / "weights.safetensors"
    assert header_of(path, params_checksum(params)) is None
    save_weights(path, params, tiny.CONFIG, STORED, prior_range=PRIOR_RANGE)
    assert header_of(path, params_checksum(params)).prior_range == PRIOR_RANGE
    assert header_of(path, "0" * 64) is None


@pytest.mark.parametrize("size", [0, 5, 100, -1, -200])
def test_truncated_file_is_refused_by_name(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"weights\.safetensors: not a readable weights file") as e:
        load(path)
    assert "\n" not in str(e.value)


def test_file_that_is_missing_or_no_safetensors_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"none.safetensors"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("These are no weights.")
    with pytest.raises(UserError, match=r"text.safetensors: not a readable weights file"):
        load(tmp_path / "text.safetensors")
    with pytest.raises(UserError):
        load(tmp_path)


@pytest.mark.parametrize("header", [None, {"format": "pt"}])
def test_safetensors_of_others_are_refused(tmp_path, header):
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "other.safetensors", metadata=header)
    with pytest.raises(UserError, match=r"other.safetensors: not a weights file of hpunet"):
        load(tmp_path / "other.safetensors")


def test_arrays_that_are_not_the_networks_are_refused_by_name(path, params):
    small = np.zeros((3, 3, 1, 1), np.float32)
    with pytest.raises(UserError, match=rf"{FIRST}/w has shape \(3, 3, 1, 1\), the network needs"):
        check_params(changed(params, FIRST, "w", small), MODEL, "file")
    with pytest.raises(UserError, match="extra/w is not a weight"):
        check_params(changed(params, "extra", "w", small), MODEL, "file")
    missing = {m: w for m, w in params.items() if not m.startswith("stitching")}
    with pytest.raises(UserError, match=r"stitching_decoder/.* has shape None"):
        check_params(missing, MODEL, "file")
    with pytest.raises(UserError, match="not those of a Hierarchical"):
        check_params({}, MODEL, "file")


def test_file_may_be_read_by_whom_the_umask_lets(path):
    (path.parent / "ordinary").touch()
    assert path.stat().st_mode == (path.parent / "ordinary").stat().st_mode


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.astype(np.float16), "has type F16; allowed is F32"),
        (lambda w: w.astype(np.float64), "has type F64; allowed is F32"),
        (lambda w: w.astype(np.int32), "has type I32; allowed is F32"),
        (lambda w: w * np.float32("nan"), "is not finite"),
        (lambda w: w + np.float32("inf"), "is not finite"),
    ],
)
def test_weights_that_are_no_finite_float32_are_refused_by_name(tmp_path, params, change, message):
    weights = changed(params, FIRST, "w", change(np.asarray(params[FIRST]["w"])))
    save_weights(tmp_path / "bad.safetensors", weights, tiny.CONFIG, PREPROCESSING)
    with pytest.raises(UserError, match=rf"bad\.safetensors: {FIRST}/w {message}"):
        load(tmp_path / "bad.safetensors")


# Headers that lie.


def parts(path):
    """What a safetensors file is made of: its own header, and the bytes of the arrays."""
    contents = path.read_bytes()
    size = int.from_bytes(contents[:8], "little")
    return json.loads(contents[8 : 8 + size]), contents[8 + size :]


def write(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def refusal(path):
    with pytest.raises(UserError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < LONGEST_MESSAGE + len(str(path))
    return message.removeprefix(f"{path}: ")


def with_own(path, change):
    """Changes what the file says of its network."""
    header, data = parts(path)
    own = json.loads(header["__metadata__"]["hpunet"])
    changed = change(own)
    header["__metadata__"]["hpunet"] = changed if isinstance(changed, str) else json.dumps(changed)
    write(path, header, data)
    return path


def with_setting(path, part, name, value):
    return with_own(path, lambda own: own | {part: own[part] | {name: value}})


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [0, 10**9]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [-4, 0]},
        {"data_offsets": [0, 2**64]},
        {"shape": [3, 3, 1, 3]},
        {"shape": [10**9, 10**9, 10**9]},
        {"shape": [-1]},
        {"shape": "wide"},
        {"dtype": "F64"},
        {"dtype": "F33"},
        {"dtype": None},
    ],
    ids=str,
)
def test_offsets_shapes_and_types_that_lie_are_refused(path, change):
    header, data = parts(path)
    header[f"{FIRST}/w"] |= change
    write(path, header, data)
    refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"{}",
        b"[]",
        b"null",
        b'{"__metadata__": 3}',
        b'{"__metadata__": {"hpunet": 3}}',
        b'{"__metadata__": {"hpunet": "\\ud800"}}',
        b"\xff\xfe",
        b"",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_header_that_is_none_is_refused(tmp_path, text):
    write(tmp_path / "file.safetensors", text, b"")
    refusal(tmp_path / "file.safetensors")


def test_header_without_end_is_refused(tmp_path):
    (tmp_path / "file.safetensors").write_bytes((2**63).to_bytes(8, "little"))
    refusal(tmp_path / "file.safetensors")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000 + "]" * 100_000, "its header is not JSON"),
        ('{"format": ' * 100_000, "its header is not JSON"),
        ("{'format': 'hpunet-1'}", "its header is not JSON"),
        ('{"format": ' + "9" * 5000 + "}", "its header is not JSON"),
        ('"hpunet-1"', "not a weights file of hpunet"),
        ('{"format": "hpunet-2"}', "not a weights file of hpunet"),
        ('{"format": "hpunet-1"}', "its header has network=None; allowed is a JSON object"),
    ],
    ids=lambda text: text[:20],
)
def test_what_the_file_says_of_its_network_must_be_an_object(path, text, problem):
    assert refusal(with_own(path, lambda _: text)).startswith(problem)


@pytest.mark.parametrize("size", [1000, 20_000_000])
def test_header_of_absurd_size_is_refused(path, size):
    with_own(path, lambda own: own | {"network": {"x" * size: 1}})
    assert len(refusal(path)) < LONGEST_MESSAGE


@pytest.mark.parametrize("part", ["network", "preprocessing", "source"])
@pytest.mark.parametrize("value", [3, "text", ["list"], True])
def test_parts_of_the_header_that_are_no_objects_are_refused(path, part, value):
    assert f"its header has {part}=" in refusal(with_own(path, lambda own: own | {part: value}))


def test_entry_that_is_not_known_is_refused(path):
    assert "an unknown entry layers" in refusal(with_own(path, lambda own: own | {"layers": 3}))


def test_setting_that_is_not_known_is_refused_in_one_line(path):
    assert "network.a b is unknown" in refusal(with_setting(path, "network", "a\nb", 3))


def test_setting_that_is_missing_is_refused(path):
    with_own(path, lambda own: own | {"network": {"latent_dims": [1]}})
    assert "is missing" in refusal(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels_per_block", [10**9] * 3),
        ("channels_per_block", [4] * 100_000),
        ("channels_per_block", "4,4,4"),
        ("channels_per_block", []),
        ("channels_per_block", [4, 4, -4]),
        ("channels_per_block", [4, 4, 10**4000]),
        ("down_channels_per_block", [10**9, 2, 2]),
        ("down_channels_per_block", [2, 2]),
        ("latent_dims", [10**9, 1]),
        ("latent_dims", [1] * 10**5),
        ("latent_dims", [0.5]),
        ("num_classes", 10**9),
        ("num_classes", 2.0),
        ("num_classes", None),
        ("convs_per_block", 10**9),
        ("convs_per_block", True),
        ("blocks_per_level", 10**9),
        ("blocks_per_level", [3]),
        ("blocks_per_level", 2),
    ],
    ids=lambda value: str(value)[:30],
)
def test_settings_that_are_absurd_or_anothers_are_refused_unbuilt(path, name, value, monkeypatch):
    listed = []

    def listing(*fields):
        listed.append(fields)
        assert len(listed) < MOST_WEIGHTS, "the network is built"
        return Parameter(*fields)

    monkeypatch.setattr(initialization, "Parameter", listing)
    with_setting(path, "network", name, value)
    refusal(path)


def test_more_levels_than_any_picture_has_are_refused(path):
    with_setting(path, "network", "channels_per_block", [4] * 17)
    with_setting(path, "network", "down_channels_per_block", [2] * 17)
    assert "has 17 levels; allowed are at most 16" in refusal(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", "128"),
        ("crop", 0),
        ("crop", True),
        ("crop", 10**4000),
        ("crop", [128]),
        ("crop", [128, 0]),
        ("image_channels", "1"),
        ("pixel_spacing_mm", -0.5),
        ("pixel_spacing_mm", "fine"),
        ("pixel_spacing_mm", float("nan")),
        ("intensity_range", [0]),
        ("intensity_range", [255, 0]),
        ("intensity_range", [0, float("inf")]),
        ("intensity_range", "0,255"),
        ("intensity_range", []),
        ("intensity_range", [[0, 1], [1, 0]]),
        ("intensity_clip", "yes"),
        ("resized", 1),
        ("classes", 1.5),
        ("data_checksum", 3),
        ("nan", "ignore"),
        ("nan", float("inf")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_preprocessing_that_nothing_could_follow_is_refused_by_name(path, name, value):
    assert f"its header has {name}=" in refusal(with_setting(path, "preprocessing", name, value))


def test_what_is_not_known_of_the_preprocessing_may_be_left_out(path):
    unknown = {"crop": None, "pixel_spacing_mm": None, "intensity_range": None}
    for preprocessing in ({}, unknown):
        save_weights(path, load(path)[1], tiny.CONFIG, preprocessing)
        load(path)
        assert read(path).header.preprocessing == {**preprocessing, "image_channels": 1}


def test_source_comes_back(path, params):
    source = {"checkpoint": "file", "skipped": ["a", "b"], "multiplier": {"value": 0.25}}
    save_weights(path, params, tiny.CONFIG, PREPROCESSING, source)
    load(path)
    assert read(path).header.source == source


@pytest.mark.parametrize("name", ["a\nb", "", "/", "x" * 5000, "\u202eleft", "\0"])
def test_arrays_of_odd_names_are_refused_in_one_line(path, params, name):
    arrays = {"odd": {name: np.zeros(2, np.float32)}}
    save_weights(path, params | arrays, tiny.CONFIG, PREPROCESSING)
    assert "is not a weight of the network" in refusal(path)


def test_values_or_settings_changed_afterwards_are_noticed(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert refusal(path).startswith("damaged")
    path.write_bytes(whole)
    assert refusal(with_setting(path, "preprocessing", "crop", 16)).startswith("damaged")


def test_file_of_an_older_version_has_no_checksum_and_is_read(path):
    with_own(path, lambda own: {n: v for n, v in own.items() if n != "checksum"})
    load(path)


def test_file_of_an_older_version_names_no_model_and_is_hierarchical(path):
    without = {"checksum", "name"}
    with_own(path, lambda own: {n: v for n, v in own.items() if n not in without})
    for part, name in (("network", "name"), ("preprocessing", "image_channels")):
        with_own(
            path, lambda own, p=part, n=name: own | {p: {k: v for k, v in own[p].items() if k != n}}
        )
    with_setting(path, "preprocessing", "crop", 8)
    assert load(path)[0].config == tiny.CONFIG
    assert read(path).header.preprocessing["crop"] == 8


@pytest.mark.parametrize("name", ["transformer", "", None, 3, ["hierarchical"]])
def test_model_that_is_not_known_is_refused_by_name(path, name):
    message = refusal(with_setting(path, "network", "name", name))
    assert f"its header has network.name={name!r}" in message
    assert "allowed is 'hierarchical'" in message


def test_other_number_of_image_channels_than_the_weights_have_is_refused(path):
    with_own(path, lambda own: {n: v for n, v in own.items() if n != "checksum"})
    message = refusal(with_setting(path, "preprocessing", "image_channels", 3))
    assert "image_channels=3; its network takes 1" in message


def test_file_cut_or_changed_anywhere_is_refused_or_gives_the_same_weights(path, params):
    whole = path.read_bytes()
    expected = flat(params)
    rng = np.random.default_rng(0)
    # Most of the file is arrays; half of the places are in its headers.
    end_of_headers = 8 + int.from_bytes(whole[:8], "little")
    places = [*range(8), *rng.integers(8, end_of_headers, 60), *rng.integers(0, len(whole), 60)]
    num_refused = 0
    for place in places:
        flipped = bytes([whole[place] ^ (1 << rng.integers(8))])
        for contents in (whole[:place] + flipped + whole[place + 1 :], whole[:place]):
            path.write_bytes(contents)
            try:
                loaded = flat(load(path)[1])
            except UserError:
                num_refused += 1
                continue
            assert loaded.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(loaded[name], value)
    assert num_refused == 2 * len(places)
