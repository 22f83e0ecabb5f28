"""The tiny model and the suites of the benchmark's tests."""

from tests.evaluate.benchmark.conftest import commit_model, commit_overlap, commit_suites, model_folder

__all__ = ["commit_model", "commit_overlap", "commit_suites", "model_folder"]
