"""A bilingual assistant for orders and products that refuses rather than guesses (notebook 16).

A message takes this way: cleaned, checked for the number of somebody else, recognised (`intents`, `intent_head`), and
answered by a template (`answers`) that is filled from the orders of the customer who is logged in (`orders`) or from
the catalogue (`catalogue`). No word of the message is ever repeated, and none of it chooses whose orders are read.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recsys_kit.customer_service import answers, catalogue, intents, orders
from recsys_kit.search import word_lists

__all__ = ["LONGEST_MESSAGE", "OTHERS", "Assistant", "Memory", "Reply", "about_others", "clean"]

LONGEST_MESSAGE = 300  # characters of a message
_NUMBER = re.compile(r"[a-z_-]*\d[\w-]*")
OTHERS = "others_order"
FOLLOWING = 0.5
"""So much of the threshold is enough for a question that names no product, when the conversation is about one."""

ORDERS = frozenset(
    "order_status last_order spending reorder refund return_item damaged_item missing_item wrong_item loyalty "
    "recommendation cancel_order receipt product_history".split()
)
"""Intents that are answered from the customer's orders."""
PRODUCTS = frozenset("availability price ingredients substitutes product_history".split())
"""Intents that are about a product."""
PERSONAL = (ORDERS - {"damaged_item", "missing_item", "wrong_item"}) | {OTHERS}
"""Intents by which one could mean somebody else's orders; a wrong bag may well be another customer's."""


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern, ...], re.Pattern]:
    """Returns the patterns that catch the number of a customer or an order, and the one of other people."""
    customer, number = word_lists.alternatives("customer"), rf"(?:{word_lists.alternatives('number')})?\W{{0,3}}"
    being = rf"(?:{word_lists.alternatives('being')}|=)?\W{{0,3}}"
    numbers = (
        rf"(?:{customer})s?\W{{0,3}}{number}{being}({_NUMBER.pattern})",  # "customer no. is 42"
        rf"(\d+)\s*号?\s*(?:{customer})",  # "42号顾客"
        rf"(?:{word_lists.alternatives('order')})s?\W{{0,3}}{number}([a-z_-]*\d[\w-]{{3,}})",  # short ones are counts
    )
    people = rf"\b(?:{word_lists.alternatives('people', 'en')})(?:'s|s)?\b|{word_lists.alternatives('people', 'zh')}"
    return tuple(map(re.compile, numbers)), re.compile(people)


def clean(text: object) -> str:
    r"""Returns a message in its normal form: one line, no control or invisible characters, full-width digits plain.

    Example:
        >>> clean("  Where\tis\u202e my\x00 order \uff14\uff12 ")
        'Where is my order 42'
    """
    plain = unicodedata.normalize("NFKC", "" if text is None else str(text)[: 20 * LONGEST_MESSAGE])
    kept = []
    for c in plain:
        category = unicodedata.category(c)
        if category in ("Cf", "Cs", "Co", "Cn"):
            continue
        kept.append(" " if category in ("Cc", "Zl", "Zp") else c)
    return " ".join("".join(kept).split())


def about_others(text: str, mine: orders.Mine, intent: str) -> bool:
    """Returns whether a message asks about somebody else, or about an order that is not this customer's.

    It makes no difference whether that customer or order exists: who asks learns nothing from the refusal.

    Args:
        text: The cleaned message.
        mine: The orders of who is logged in.
        intent: What was recognised; a number in a question about a product is a size, not an order.
    """
    text = text.lower()
    own = {mine.user_id.lower(), *mine.orders["basket_id"].str.lower()}
    numbered, people = _patterns()
    if any(number not in own for pattern in numbered for number in pattern.findall(text)):
        return True
    if intent not in ORDERS | {OTHERS}:
        return False
    numbers = [n for n in _NUMBER.findall(text) if len(n) >= 4 and not re.fullmatch(r"(?:19|20)\d\d", n)]
    if any(number not in own for number in numbers):
        return True
    return intent in PERSONAL and bool(people.search(text))


@dataclass(frozen=True)
class Memory:
    """What a conversation remembers: whose it is, and the product that it was about.

    Attributes:
        user_id: Who was logged in; another customer starts anew.
        product: The words for a product.
    """

    user_id: str = ""
    product: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        text: What the customer reads.
        intent: What was recognised, or one of `answers.CASES`.
        case: Which of the intent's templates.
        confidence: How sure the recognition was, 0 to 1.
        language: "en" or "zh".
        handed_over: Whether a person goes on.
        memory: What to pass with the next message.
    """

    text: str
    intent: str
    case: str = "default"
    confidence: float = 0.0
    language: str = "en"
    handed_over: bool = False
    memory: Memory = field(default_factory=Memory, repr=False)


@dataclass(frozen=True)
class Assistant:
    """Everything that answers.

    Attributes:
        recognise: Maps texts to probabilities of `names`, (N, C).
        names: The C intents, `intents.OUT` perhaps among them.
        threshold: Below this confidence it hands over.
        orders: The shop's orders.
        shelf: The catalogue; None: the shop has no titles.
        currency: Of the prices.
        templates: What may be said.
    """

    recognise: Callable[[Sequence[str]], np.ndarray] = field(repr=False)
    names: Sequence[str] = field(repr=False)
    threshold: float
    orders: orders.Orders = field(repr=False)
    shelf: catalogue.Shelf | None = field(default=None, repr=False)
    currency: str = ""
    templates: dict = field(default_factory=answers.templates, repr=False)

    def answer(self, text: object, user_id: str, memory: Memory | None = None) -> Reply:
        """Answers one message.

        Args:
            text: What the customer typed; anything.
            user_id: Who is logged in. It comes from the login, never from the text.
            memory: What the last reply returned.

        Raises:
            TypeError: If there is no user_id.
        """
        mine = self.orders.of(user_id)
        plain = clean(text)
        language = intents.language_of(plain)
        memory = memory if memory is not None and memory.user_id == user_id else Memory(user_id)
        base = Reply("", "empty", language=language, memory=memory)
        if not any(c.isalnum() for c in plain):
            return self._say(base)
        if len(plain) > LONGEST_MESSAGE:
            return self._say(replace(base, intent="too_long"))
        out = list(self.names).index(intents.OUT) if intents.OUT in self.names else None
        chances = self.recognise([plain])
        best, sure = intents.confidence(chances, out)
        intent, sure = self.names[int(best[0])], float(sure[0])
        if about_others(plain, mine, intent):
            return self._say(replace(base, intent=OTHERS, confidence=sure))
        needed = self.threshold
        if sure < needed and memory.product and not catalogue.product_words(plain):  # "and its price?"
            follows = {float(p): name for name, p in zip(self.names, chances[0], strict=True) if name in PRODUCTS}
            likely = max(follows, default=0.0)
            if likely >= needed * FOLLOWING:
                intent, sure, needed = follows[likely], likely, needed * FOLLOWING
        base = replace(base, confidence=sure)
        if sure < needed:
            return self._say(replace(base, intent="unsure", handed_over=True))
        base = replace(base, intent=intent, handed_over=intent in ("human", "complaint"))
        if intent in ORDERS and mine.orders.empty:
            return self._say(replace(base, intent="no_orders"))
        if intent in PRODUCTS:
            return self._product(base, plain, mine)
        values = self._mine(mine) if intent in ORDERS else {}
        if intent == "recommendation":
            values["items"] = mine.usual()
        return self._say(base, values)

    def _say(self, reply: Reply, values: dict[str, Any] | None = None) -> Reply:
        """Fills the template of a reply."""
        template = self.templates[reply.intent, reply.case, reply.language]
        if "no_price" not in reply.case and _lacks_price(template, values or {}):
            return self._say(replace(reply, case="no_price"), values)
        return replace(reply, text=answers.fill(template, values or {}, reply.language, self.currency))

    def _mine(self, mine: orders.Mine) -> dict[str, Any]:
        """Returns what the templates may know of the customer's orders."""
        last, month = mine.order(), mine.since(28)
        return {
            "order": last["basket_id"],
            "date": last["timestamp"].date(),
            "count": last["items"],
            "total": last["paid"],
            "items": mine.titles(last["basket_id"]),
            "orders": len(mine.orders),
            "first_date": mine.orders["timestamp"].iloc[0].date(),
            "all_total": mine.orders["paid"].sum(min_count=1),
            "month_orders": len(month),
            "month_total": month["paid"].sum(),
            "saved": mine.orders["saved"].sum(min_count=1),
        }

    def _product(self, reply: Reply, text: str, mine: orders.Mine) -> Reply:
        """Answers a question about a product, or asks which one."""
        if self.shelf is None:
            return self._say(replace(reply, intent="no_catalogue"))
        words = catalogue.product_words(text) or reply.memory.product
        if not words:
            return self._say(replace(reply, intent="which_product"))
        found = self.shelf.find(words, 6)
        if found.empty:
            return self._say(replace(reply, intent="no_product"))
        rows = mine.rows[self.shelf.among(words, mine.rows["item_id"])] if reply.intent == "product_history" else None
        if found["doubtful"].any() and (rows is None or rows.empty):
            reply = replace(reply, intent="no_product", case="nearest", memory=replace(reply.memory, product=""))
            return self._say(reply, {"items": found["title"].drop_duplicates().head(3).tolist()})
        reply = replace(reply, memory=replace(reply.memory, product=words))
        known = {"availability": self.shelf.sells, "price": lambda item: self.shelf.price(item) > 0}.get(reply.intent)
        first = next((i for i, item in enumerate(found["item_id"]) if known and known(item)), 0)
        item, title = found["item_id"].iloc[first], found["title"].iloc[first]
        others = found["title"].drop_duplicates()
        values: dict[str, Any] = {"product": title, "items": others[others != title].head(3).tolist()}
        if reply.intent == "availability" and not self.shelf.sells(item):
            reply = replace(reply, case="rare")
        elif reply.intent == "price":
            values["price"] = self.shelf.price(item)
        elif reply.intent == "substitutes":
            values["items"] = self.shelf.instead(item)
            reply = replace(reply, case="default" if values["items"] else "none")
        elif reply.intent == "product_history":
            if rows.empty:
                return self._say(replace(reply, case="never"), values)
            values |= {"product": rows["title"].iloc[-1], "times": rows["basket_id"].nunique()}
            values["last_date"] = rows["timestamp"].iloc[-1].date()
        return self._say(reply, values)


def _lacks_price(template: str, values: dict[str, Any]) -> bool:
    money = [name for name in ("total", "price", "all_total", "saved") if f"{{{name}}}" in template]
    return any(values[name] != values[name] for name in money)
