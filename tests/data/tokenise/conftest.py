"""The small model of the training stage."""

from tests.train.conftest import conversations, small_model

__all__ = ["conversations", "small_model"]
