"""The course as files: the notebooks, their parameters and profiles, running them, and the report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["course_map", "environment", "notebooks", "profiles", "refresh", "report_page", "runner", "start"],
    submod_attrs={
        "environment": ["check_environment"],
        "notebooks": ["find"],
        "runner": ["describe", "execute", "run"],
    },
)
