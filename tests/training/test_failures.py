import pytest

from hpunet.training.failures import (
    TrainingDivergedError,
    check_finite,
    collapse_report,
    count_low_kl,
)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_is_told_with_step_terms_and_checkpoint(value):
    with pytest.raises(TrainingDivergedError) as error:
        check_finite(7, {"loss": value, "kl_0": 2.5}, 4)
    for part in ("step 7", f"loss={value}", "kl_0=2.5", "last good checkpoint: step 4"):
        assert part in str(error.value)
    with pytest.raises(TrainingDivergedError, match="last good checkpoint: none"):
        check_finite(7, {"loss": value}, None)


def test_finite_loss_passes():
    check_finite(7, {"loss": 1e30}, None)


def test_steps_count_as_collapsed_while_the_kl_of_every_scale_is_low():
    low, high = {"kl_0": 0.01, "kl_1": 0.049}, {"kl_0": 0.01, "kl_1": 0.051}
    assert count_low_kl({**low, "kl_sum": 9.0}, 1999) == 2000
    assert count_low_kl({**high, "kl_sum": 0.0}, 1999) == 0


def test_model_without_scales_never_counts_as_collapsed():
    assert count_low_kl({"loss": 1.0, "kl_sum": 0.0}, 1999) == 0


def test_report_of_a_collapse_says_what_to_change():
    report = collapse_report(2345)
    assert "step 2345" in report
    assert "objective.beta" in report
    assert "objective.kappa" in report
    assert "in another --workdir" in report
