import pytest


@pytest.fixture
def low_resolution(monkeypatch):
    """Saves figures in few pixels: drawing many pixels is most of what saving takes."""
    monkeypatch.setattr("hpunet.figures.saving.PRINT_RESOLUTION", 40)
    monkeypatch.setattr("hpunet.figures.saving.RESOLUTION", 40)
