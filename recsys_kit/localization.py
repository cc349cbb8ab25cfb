"""One shop in many languages, places and hours (notebook 15): the parts, each in a file of its own.

- `language_gap`: what a search loses in another language.
- `translation`: what closes a part of it.
- `local_titles`: one list rendered for readers elsewhere.
- `local_taste`: stores as places, small ones smoothed towards the chain.
- `shop_time`: the local clock, daylight saving, holidays.
- `context`: hour, weekday and store in the next-basket ranking; `context_transformer`: the same as an input of the
  Transformer (not imported here, for it loads Keras).
- `send_time`: the best hour for a household, with calibration.
"""

from __future__ import annotations

from recsys_kit import context, language_gap, local_taste, local_titles, send_time, shop_time, translation

__all__ = ["context", "language_gap", "local_taste", "local_titles", "send_time", "shop_time", "translation"]
