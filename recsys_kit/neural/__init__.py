"""What every model shares: losses, sampling, batches, fitting, start vectors, the text encoder."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
