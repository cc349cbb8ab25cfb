"""One shop in many languages, places and hours (notebook 15): the parts, each in a file of its own.

- `language_gap`: what a search loses in another language.
- `translation`: what closes a part of it.
- `titles`: one list rendered for readers elsewhere.
- `store_taste`: stores as places, small ones smoothed towards the chain.
- `clock`: the local clock, daylight saving, holidays.
- `context`: hour, weekday and store in the next-basket ranking; `context_transformer`: the same as an input of the
  Transformer (it loads Keras).
- `send_time`: the best hour for a household, with calibration.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
