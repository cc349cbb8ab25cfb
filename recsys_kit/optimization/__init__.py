"""Better than plain training, and what it costs: the index of notebook 07.

Each idea has a module of its own:

- `cold_items`: embeddings tied to a pretrained text encoder, so that an item never sold gets a score;
- `small_task`: a small task and a small sequence model, on which an experiment takes seconds;
- `transfer`: pretrained in one part of the shop, fine-tuned in another;
- `newcomers`, `newcomer_facts`, `short_histories`, `meta_learning`: what to do when only a few baskets are known;
- `tuning`: regularisation, a search that can be resumed, and one look at the test.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__, costs=["Costs"])
