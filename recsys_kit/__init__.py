"""recsys_kit: the helper package behind the notebooks on Transformer-based search and recommendation."""

import os

# TensorFlow writes its start-up chatter to stderr; a notebook should show only what it prints itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
