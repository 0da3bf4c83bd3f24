import pytest


@pytest.fixture
def low_resolution(monkeypatch):
    """Saves figures in few pixels, as drawing pixels takes most of the time of saving."""
    monkeypatch.setattr("hpunet.figures.saving.PRINT_RESOLUTION", 40)
    monkeypatch.setattr("hpunet.figures.saving.RESOLUTION", 40)
