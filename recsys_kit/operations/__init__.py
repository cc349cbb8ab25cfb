"""The shop in motion: what a recommender needs every night, by itself (notebook 17).

- `contracts`: is what arrived today right? Checks learned from past weeks, faults to try them on, named holidays;
- `stream`: each purchase changes its household's list at once, and a crash loses nothing and counts nothing twice;
- `experiments`: does it earn anything? Power, CUPED, peeking, interleaving; `logged`: off-policy values, bandits;
- `freshness`: how fast a model ages, and the cheapest plan of training it again;
- `gate`: which new model goes live;
- `nights`: check, update, retrain, gate, lists, search index, report, and the way back;
- `service`: lists, search and events over HTTP, from what the nights left (`served`).
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
