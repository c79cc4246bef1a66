"""A saved model."""

import pytest
from fuzz.models import model_of


@pytest.fixture
def path(tmp_path):
    """The file of one that has seen batches."""
    model_of("stream").save(tmp_path / "model")
    return tmp_path / "model"
