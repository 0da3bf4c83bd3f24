import contextlib
import importlib.util
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.speed import contest, inputs, parts, plain, run, tables
from experiments.speed.jax_variants import JaxVariant, Plain
from experiments.speed.worker import Worker
from hpunet.models.noise import draw_latent_noise

# Two programs of the same sums in float32.
ROUNDING = 1e-5

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    inputs.make(folder, "tiny")
    return folder


@pytest.fixture(scope="module")
def ours(folder):
    return JaxVariant(folder, "float32")


@pytest.fixture(scope="module")
def transcription(folder):
    return Plain(folder, "float32")


def test_plain_transcription_computes_what_hpunet_computes(ours, transcription, tmp_path):
    found = contest.compare({"hpunet": Direct(ours), "plain": Direct(transcription)}, tmp_path)
    assert contest.too_far(found) == []
    assert found["plain"].keys() == contest.TOLERANCES.keys()


def test_another_network_is_too_far(ours, transcription, tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "halve", lambda x: x[:, ::2, ::2])
    found = contest.compare({"hpunet": Direct(ours), "plain": Direct(transcription)}, tmp_path)
    assert contest.too_far(found)


def test_plain_variant_trains_the_plain_network(folder, monkeypatch):
    def forward(*args, **kwargs):
        raise AssertionError("the plain network")

    monkeypatch.setattr(plain, "forward", forward)
    with pytest.raises(AssertionError, match="the plain network"):
        Plain(folder, "float32").train(1)


def test_variant_on_another_kind_of_device_is_left_out():
    def client(platform):
        alive = contest.Client.__new__(contest.Client)
        alive.facts = {"platform": platform}
        return alive

    started = {"hpunet": client("gpu"), "plain": client("gpu"), "torch_eager": client("cpu")}
    kept = contest.on_one_platform(started)
    assert {name for name, worker in kept.items() if isinstance(worker, contest.Client)} == {
        "hpunet",
        "plain",
    }
    assert "would run on a cpu" in str(kept["torch_eager"])


def test_without_hpunet_there_is_nothing_to_compare_with(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "--variants=plain,torch_eager"])
    with pytest.raises(SystemExit):
        run.parse_flags()
    assert "--variants: hpunet must be among them" in capsys.readouterr().err


def test_operations_are_counted_without_the_optimiser(ours):
    facts = ours.train(1).facts()
    whole = facts["program"]["flops"] + ours._optimizer_flops()
    assert 0 < facts["program"]["flops"] < whole


def test_not_a_number_is_too_far():
    assert contest.too_far({"plain": dict.fromkeys(contest.TOLERANCES, float("nan"))})


def test_plain_pass_draws_a_sample_of_hpunet(ours):
    image = ours.scaled(1)
    image_keys = jax.random.split(jax.random.key(0), 1)
    noise = draw_latent_noise(image_keys, ours.config.latent_shapes(ours.size, ours.size))
    drawn = ours.model.sample(ours.params, None, image, latents=_latents(ours, image, noise))[0]
    expected = plain.draw(ours.params, jax.random.key(0), jnp.asarray(image), ours.config)
    np.testing.assert_allclose(drawn, expected, atol=ROUNDING)


def _latents(variant, image, noise):
    encoded = plain.encoder(variant.params, "prior_encoder", jnp.asarray(image), variant.config)
    _, latents, _ = plain.decoder(
        variant.params, "prior_decoder", encoded, noise, None, variant.config
    )
    return latents


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="the peer's PyTorch is not installed"
)
def test_pytorch_peer_computes_what_hpunet_computes(folder, ours, tmp_path):
    workers = {"hpunet": Direct(ours), "torch_eager": Direct(_peer(folder))}
    assert contest.too_far(contest.compare(workers, tmp_path)) == []


def _peer(folder):
    from experiments.speed.torch_variants import TorchVariant

    return TorchVariant(folder, "float32", compiled=False)


class Direct:
    """A worker in this process."""

    def __init__(self, variant):
        self._worker = Worker(variant)

    def ask(self, **request):
        return self._worker.answer(request)


def test_encoding_is_timed_and_compared(ours, transcription):
    workers = {"hpunet": Direct(ours), "plain": Direct(transcription)}
    timing = contest.measure(workers, "encode", 1, rounds=2)
    run.add_rates(timing)
    assert all(len(r["rounds_s"]) == 2 for r in timing["contestants"].values())
    assert timing["contestants"]["hpunet"]["images_a_second"] > 0
    ratio = timing["ratios"]["plain"]
    assert 0 < ratio["least"] <= ratio["median"] <= ratio["most"]


def test_variant_that_does_not_start_is_named_with_its_reason(ours):
    workers = {"hpunet": Direct(ours), "torch_eager": contest.WorkerError("no torch here")}
    timing = contest.measure(workers, "encode", 1, rounds=1)
    assert timing["contestants"]["torch_eager"] == {"error": "no torch here"}
    assert "torch_eager" not in timing["ratios"]


def test_worker_answers_with_the_reason_of_a_failure(folder, tmp_path):
    with contest.clients(["plain"], "float32", folder) as workers:
        with pytest.raises(contest.WorkerError, match="no_such_program"):
            workers["plain"].ask(do="prepare", name="no_such_program", batch_size=1)
        out = tmp_path / "check.npz"
        workers["plain"].ask(do="check", out=str(out))
        assert out.exists()


def test_ratios_are_of_the_same_round():
    results = {
        "hpunet": {"rounds_s": [1.0, 2.0, 4.0], "seconds": 2.0},
        "plain": {"rounds_s": [2.0, 2.0, 12.0], "seconds": 2.0},
    }
    assert contest.ratios(results) == {"plain": {"median": 2.0, "least": 1.0, "most": 3.0}}


def test_table_shows_times_rates_and_ratios():
    timing = {
        "measurement": "train",
        "batch_size": 4,
        "precision": "float32",
        "contestants": {
            "hpunet": {"rounds_s": [0.5], "seconds": 0.5, "first_call_s": 20.0},
            "plain": {"rounds_s": [1.0], "seconds": 1.0, "program": {"flops": 5e9}},
            "torch_eager": {"error": "no torch here"},
        },
    }
    timing["ratios"] = contest.ratios(timing["contestants"])
    run.add_rates(timing)
    lines = tables.contest_lines([timing])
    assert lines[2] == (
        "| training step | 4 | float32 | 500 ms, 8.00 images/s, 10.0 GFLOP/s "
        "| 1.00 s, x 2.00 [2.00, 2.00] | failed |"
    )


@pytest.mark.parametrize("group", parts.GROUPS.values(), ids=list(parts.GROUPS))
def test_every_part_of_the_profile_can_be_traced_with_its_gradient(group, ours):
    for part in group(parts.Network(ours, 1, jnp.dtype("float32"))):
        jax.eval_shape(part.function, *part.arguments)
        if part.gradients:
            jax.eval_shape(parts.gradient_of(part), *part.arguments)


def test_levels_of_the_profile_are_all_of_the_network(ours):
    named = [level.name for level in parts.list_levels(ours.config)]
    modules = {"/".join(name.split("/")[:2]) for name in ours.params if "/level_" in name}
    assert sorted(named) == sorted(m for m in modules if not m.startswith("posterior"))


def test_level_of_the_profile_is_the_plain_one(ours):
    network = parts.Network(ours, 1, jnp.dtype("float32"))
    for fast, slow in zip(parts.levels(network), parts.plain_levels(network), strict=True):
        computed, expected = fast.function(*fast.arguments), slow.function(*slow.arguments)
        np.testing.assert_allclose(computed, expected, atol=ROUNDING * np.abs(expected).max())


def test_time_of_a_part_comes_with_its_operations():
    found = parts.timed(lambda a, b: a @ b, (jnp.ones((8, 8)), jnp.ones((8, 8))))
    assert found["ms"] > 0
    assert found["gflop"] == pytest.approx(2 * 8**3 / 1e9, rel=0.2)


def test_unknown_variant_is_refused_in_a_line():
    words = [sys.executable, run.__file__, "--variants=hpunet,numpy"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'numpy': allowed are hpunet, plain, torch_eager, torch_compile" in done.stderr


def test_command_writes_results_and_tables(tmp_path, monkeypatch, ours):
    # Workers in processes of their own have a test above.
    @contextlib.contextmanager
    def clients(variants, precision, folder):
        assert (list(variants), precision) == (["hpunet"], "float32")
        yield {"hpunet": Direct(ours)}

    monkeypatch.setattr(contest, "clients", clients)
    words = ["run.py", "--model=tiny", "--only=scores,encode", "--rounds=1", "--variants=hpunet"]
    words += ["--precisions=float32", "--sample_batch_sizes=1", f"--out={tmp_path}"]
    monkeypatch.setattr(sys, "argv", words)
    assert run.main() == 0
    results = json.loads((tmp_path / "results_cpu.json").read_text())
    assert results["scores"]["both"] > 0
    assert results["pipeline"] is None
    assert results["left_out"]["pipeline"] == "not asked for"
    assert "GED and Hungarian IoU" in (tmp_path / "table_cpu.md").read_text()
