import math

import numpy as np
import pytest

from hpunet.config.training import OptimizerConfig
from hpunet.training.optimizer import build_schedule

TOLERANCE = 1e-6


def rates(steps, **settings):
    schedule = build_schedule(OptimizerConfig(learning_rate=0.1, **settings))
    return [float(schedule(step)) for step in steps]


def close(values, expected):
    np.testing.assert_allclose(values, expected, rtol=TOLERANCE, atol=1e-9)


def test_constant_rate_stays():
    close(rates([0, 10, 10**6]), [0.1] * 3)


def test_piecewise_rate_takes_each_factor_of_the_first_rate_from_its_boundary_on():
    settings = {"schedule": "piecewise", "boundaries": (10, 20), "factors": (0.5, 0.05)}
    close(rates([0, 9, 10, 19, 20, 1000], **settings), [0.1, 0.1, 0.05, 0.05, 0.005, 0.005])


def test_cosine_rate_falls_to_its_last_value_and_stays_there():
    settings = {"schedule": "cosine", "decay_steps": 100, "final_factor": 0.2}
    quarter = 0.1 * (0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2)
    close(rates([0, 25, 50, 100, 500], **settings), [0.1, quarter, 0.06, 0.02, 0.02])


def test_warm_up_climbs_in_a_line_to_the_schedules_rate():
    close(rates([0, 1, 2, 4, 5], warmup_steps=4), [0.0, 0.025, 0.05, 0.1, 0.1])
    settings = {"schedule": "piecewise", "boundaries": (2,), "factors": (0.5,), "warmup_steps": 4}
    close(rates([1, 2, 4], **settings), [0.025, 0.025, 0.05])


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"schedule": "linear"}, "schedule"),
        ({"boundaries": (20, 10), "factors": (1.0, 1.0)}, "boundaries"),
        ({"boundaries": (10, 10), "factors": (1.0, 1.0)}, "boundaries"),
        ({"boundaries": (10,), "factors": ()}, "factors"),
        ({"schedule": "piecewise"}, "boundaries"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_key(settings, key):
    with pytest.raises(ValueError, match=rf"^{key}="):
        OptimizerConfig(**settings)
