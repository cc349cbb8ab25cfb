"""A language model may rephrase an answer, and change nothing of what it says."""

from recsys_kit.customer_service import phrasing


def test_a_model_may_say_it_kindly_but_not_differently():
    text = "Your last order came to $12.50."
    assert phrasing.rephrase(text, lambda prompt: " You paid $12.50 last time! ") == "You paid $12.50 last time!"
    for bad in ("You paid $12.", "Nothing.", "", "You paid $12.50, and customer 7 paid $3.", "x" * 999 + "$12.50"):
        assert phrasing.rephrase(text, lambda prompt, bad=bad: bad) == text

    def broken(prompt):
        raise RuntimeError("out of memory")

    assert phrasing.rephrase(text, broken) == text
    assert phrasing.rephrase("Milk.", lambda prompt: "Tea.", kept=["Milk"]) == "Milk."


def test_without_a_library_or_weights_the_templates_stay_and_it_says_so():
    assert phrasing.generator("") == (None, "No preset is set: answers stay as the templates have them.")
    generate, message = phrasing.generator("no_such_preset_anywhere")
    assert generate is None
    assert "answers stay as the templates have them" in message
