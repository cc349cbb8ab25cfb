"""Text, picture, behaviour and table together: the index of notebook 23.

- `encoder`: pictures as vectors, by a network trained on photographs, rebuilt in Keras;
- `modalities`: what is known of an item, and what stands in for a picture in the controls;
- `fusion`: four ways to make one vector of an item from several kinds of facts, some of which may be missing;
- `contrastive`: titles and pictures in one space, and search by picture in it;
- `voice`: a question that is said and heard; optional.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
