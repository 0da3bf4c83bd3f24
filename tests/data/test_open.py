"""Data sets, opened by the settings of a configuration."""

import pytest

from hpunet.config import default_config
from hpunet.config.files import override
from hpunet.config.settings import settings_of
from hpunet.data.open import open_data
from hpunet.io.errors import UserError


@pytest.mark.parametrize("name", ["synthetic", "lidc"])
def test_classes_that_a_data_set_cannot_have_are_refused(tmp_path, name):
    changes = {"model.num_classes": "3", "data.name": name, "data.prepared_dir": str(tmp_path)}
    with pytest.raises(UserError, match=rf"^config.model.num_classes=3: .*'{name}' has 2 classes"):
        open_data(settings_of(override(default_config(), changes)))
    assert not list(tmp_path.iterdir())
