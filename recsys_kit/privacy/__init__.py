"""What a recommender's data and model give away of a household, and what helps (notebook 20).

- `anonymity`: pseudonyms, k-anonymity and l-diversity of a table, coarser values until k;
- `reidentification`: how few known purchases single a household out, and which releases can be linked;
- `small_head`: a repeat head that knows its own household alone; `federated` and `differential` train it;
- `whole_model`: the next-basket model without what it knows of others, for `differential`;
- `membership`: an attack on trained models; `synthetic`: made-up baskets, what they teach and what they give away;
- `forgetting`: a household leaves tables, workspace and lists; `file_search` searches every file that is left.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
