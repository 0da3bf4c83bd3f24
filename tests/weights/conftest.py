import functools

import pytest

from hpunet.model.build import Model


@pytest.fixture(scope="module")
def parameters_listed_once():
    """Saves most of what checking a tiny network's weights takes, which is to trace it."""
    original = Model.list_parameters
    listed = functools.cache(lambda config, channels: original(Model(config), channels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "list_parameters", lambda model, c: listed(model.config, c))
        yield
