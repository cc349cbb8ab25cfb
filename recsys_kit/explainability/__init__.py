"""What a list leans on: attribution, tests of faithfulness, counterfactuals, sentences (notebook 21).

- `attribution`: one household's question to the next-basket Transformer, asked again with parts of its history gone;
- `faithfulness`: deletion and insertion curves, and the rival orders that need no model;
- `counterfactual`: the smallest change of history that takes an item off the list, and sentences about it;
- `page`: "why am I seeing this?" as a page.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    attribution=["Question", "attention", "integrated_gradients", "occlusion"],
)
