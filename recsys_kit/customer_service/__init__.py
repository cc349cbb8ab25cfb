"""An assistant for orders and products that would rather hand over than guess (notebook 16)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["answers", "assistant", "catalogue", "intent_head", "intents", "orders", "phrasing"],
    submod_attrs={
        "assistant": [
            "LONGEST_MESSAGE",
            "ORDERS",
            "OTHERS",
            "PERSONAL",
            "PRODUCTS",
            "Assistant",
            "Memory",
            "Reply",
            "about_others",
            "clean",
        ],
        "catalogue": ["Shelf", "product_words"],
    },
)
