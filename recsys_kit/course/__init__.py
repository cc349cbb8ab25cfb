"""The course as files: the notebooks, their parameters and profiles, running them, and the report."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__, environment=["check_environment"], runner=["run"])
