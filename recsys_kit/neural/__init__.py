"""What every model shares: losses, sampling, batches, fitting, start vectors, the text encoder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["batches", "fitting", "losses", "ranges", "sampling", "start_vectors", "text_encoder"],
)
