"""Why is it on the list: a short, true sentence for a recommended item, where there is one (notebook 08).

The sentences say what the data holds about the item and the household. They do not claim to be what moved the model.

Letters for shapes: P recommended pairs, U users, V items of the catalogue.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import baselines
from recsys_kit.preprocessing import Split

__all__ = ["Companions", "Followers", "sentences"]


class Companions:
    """Which item of a household's last baskets a new one goes with, where baskets say so and not chance.

    Two best sellers lie in one basket often, and in large baskets lies everything. So a pair is compared with what
    chance would put into one basket, large baskets counted as such: it must be seen `least_lift` times as often, with
    so many baskets that chance does not explain it (G², the likelihood ratio), and by several households.

    Args:
        split: The split.
        last: How many of the last baskets are looked at.
        least_lift: Seen against expected, at least.
        least_g2: Likelihood ratio against chance, at least; 30 leaves room for the millions of pairs that are tried.
        least_households: So many households must have bought both in one basket.
    """

    def __init__(
        self,
        split: Split,
        last: int = 20,
        least_lift: float = 3.0,
        least_g2: float = 30.0,
        least_households: int = 5,
    ):
        history = split.history
        events = history["user"].to_numpy(), baselines.basket_steps(history), history["item"].to_numpy()
        size = len(split.items)
        self.recent = baselines.recent_items(*events, len(split.users), size, last, 0.8)
        basket = pd.factorize(history["basket_id"])[0]
        self.baskets = sp.coo_matrix((np.ones(len(basket), np.float32), (basket, events[2]))).tocsr()
        self.baskets.resize((self.baskets.shape[0], size))
        self.baskets.data[:] = 1  # an item scanned twice is one item
        self.owner = np.zeros(self.baskets.shape[0], np.int64)
        self.owner[basket] = events[0]
        self.of_item = self.baskets.tocsc()
        self.least_households = least_households
        self.into = _earned(self.baskets, least_lift, least_g2)

    def of(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns for pairs (P,) of user and item the column of the companion, -1 if there is none, and its weight."""
        together = sp.csr_matrix(self.recent[users].multiply(self.into[items]))
        if not together.nnz:
            return np.full(len(users), -1), np.zeros(len(users), np.float32)
        weight = np.asarray(together.max(axis=1).todense()).ravel()
        best = np.asarray(together.argmax(axis=1)).ravel()
        best = np.where(weight > 0, best, -1)
        pairs, place = np.unique(np.stack([best, items], axis=1), axis=0, return_inverse=True)
        enough = np.array([pair[0] >= 0 and self.households(*pair) >= self.least_households for pair in pairs])
        best = np.where(enough[place.ravel()], best, -1)
        return best, np.where(best >= 0, weight, 0).astype(np.float32)

    def households(self, one: int, other: int) -> int:
        """Returns how many households had both items in one basket."""
        first, second = (
            self.of_item.indices[self.of_item.indptr[item] : self.of_item.indptr[item + 1]] for item in (one, other)
        )
        return len(np.unique(self.owner[np.intersect1d(first, second, assume_unique=True)]))


class Followers:
    """Which item of a customer's last ones a new one follows, where several customers say so and not chance.

    Args:
        split: The split.
        steps: An item follows another if it comes at most so many purchases later.
        least_lift: Seen against expected, at least.
        least_g2: As of `Companions`.
        least_customers: So many customers must have bought the one after the other.
    """

    def __init__(
        self,
        split: Split,
        steps: int = 3,
        least_lift: float = 3.0,
        least_g2: float = 30.0,
        least_customers: int = 3,
    ):
        user, item = split.history["user"].to_numpy(np.int64), split.history["item"].to_numpy(np.int64)
        order = np.argsort(user, kind="stable")
        user, item, size = user[order], item[order], len(split.items)
        found = []
        for step in range(1, min(steps, len(user) - 1) + 1):
            same = user[step:] == user[:-step]
            found.append(np.stack([user[step:], item[step:], item[:-step]])[:, same])
        pairs = np.unique(np.concatenate(found, axis=1), axis=1) if found else np.zeros((3, 0), np.int64)
        ones = np.ones(pairs.shape[1])
        seen = sp.coo_matrix((ones, (pairs[1], pairs[2])), (size, size)).tocsr().tocoo()  # (V, V): later, earlier
        total = max(pairs.shape[1], 1)
        later, earlier = (np.bincount(pairs[row], minlength=size) for row in (1, 2))
        expected = later[seen.row] * earlier[seen.col] / total
        lift = seen.data / np.maximum(expected, 1e-12)
        g2 = 2 * (seen.data * np.log(lift) - (seen.data - expected))
        kept = (lift >= least_lift) & (g2 >= least_g2) & (seen.data >= least_customers) & (seen.row != seen.col)
        values = np.log(lift[kept]).astype(np.float32), (seen.row[kept], seen.col[kept])
        self.after = sp.coo_matrix(values, (size, size)).tocsr()
        places = pd.Series(user).groupby(user).cumcount().to_numpy()
        self.recent = baselines.recent_items(user, places, item, len(split.users), size, 20, 0.8)

    def of(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Returns for pairs (P,) of user and item the column of the item that it follows, -1 if there is none."""
        both = sp.csr_matrix(self.recent[users].multiply(self.after[items]))
        if not both.nnz:
            return np.full(len(users), -1)
        weight = np.asarray(both.max(axis=1).todense()).ravel()
        return np.where(weight > 0, np.asarray(both.argmax(axis=1)).ravel(), -1)


def _earned(baskets: sp.csr_matrix, least_lift: float, least_g2: float, block: int = 1000) -> sp.csr_matrix:
    """Returns (V, V) the logarithm of lift of the pairs that go together, 0 for all others.

    Chance puts items i and j into one basket n_i n_j S2 / S1² times, where S1 is the sum of all baskets' sizes and S2
    that of their squares: each item falls into a basket in proportion to its size.
    """
    sizes = np.asarray(baskets.sum(axis=1)).ravel()
    bought = np.asarray(baskets.sum(axis=0)).ravel()
    scale = (sizes**2).sum() / max(sizes.sum(), 1) ** 2
    columns, rows = baskets.tocsc(), []
    for start in range(0, baskets.shape[1], block):
        seen = sp.coo_matrix(columns[:, start : start + block].T @ baskets)
        expected = bought[start + seen.row] * bought[seen.col] * scale
        lift = seen.data / np.maximum(expected, 1e-12)
        g2 = 2 * (seen.data * np.log(lift) - (seen.data - expected))  # of Poisson counts
        kept = (lift >= least_lift) & (g2 >= least_g2) & (start + seen.row != seen.col)
        values = np.log(lift[kept]).astype(np.float32), (seen.row[kept], seen.col[kept])
        rows.append(sp.coo_matrix(values, seen.shape).tocsr())
    return sp.vstack(rows, format="csr")


def sentences(
    table: pd.DataFrame,
    titles: np.ndarray,
    types: np.ndarray | None,
    companions: Companions,
    popular: np.ndarray | None = None,
    followers: Followers | None = None,
) -> list[str]:
    """Writes a sentence for each recommended pair, or nothing: no reason is better than a false one.

    What the household itself did comes first: it bought the item, or others of its type. Then what goes with something
    that it bought, what follows it, and what is popular.

    Args:
        table: P rows with `user`, `item` and the columns of `ranking.Facts`.
        titles: (V,) titles.
        types: (V,) the type of each item in words; None if the shop has no such column.
        companions: What goes with what.
        popular: (V,) whether an item is one of the best sellers; None: none is called popular.
        followers: What follows what, where customers discover; None: nothing is said of it.
    """
    count = np.nan_to_num(table["count"].to_numpy(float))
    gap, recency = table["gap_days"].to_numpy(float), table["recency_days"].to_numpy(float)
    item = table["item"].to_numpy()
    alike = (count == 0) & (table["type_count"].to_numpy(float) >= 2)
    alike &= np.full(len(table), False) if types is None else types[item] != "unknown"
    asked = (count == 0) & ~alike
    with_item = np.full(len(table), -1)
    if asked.any():
        with_item[asked] = companions.of(table["user"].to_numpy()[asked], item[asked])[0]
    after = np.full(len(table), -1)
    if followers is not None and (free := asked & (with_item < 0)).any():
        after[free] = followers.of(table["user"].to_numpy()[free], item[free])
    lines = []
    for i, promoted in enumerate(_promoted(table)):
        if count[i] >= 2:
            text = f"you buy it {_every(gap[i])}, last {_ago(recency[i])}"
        elif count[i] == 1:
            text = f"you bought it {_ago(recency[i])}"
        elif alike[i]:
            text = f"similar to what you buy: {types[item[i]].lower()}"
        elif with_item[i] >= 0:
            text = f"goes with {titles[with_item[i]]}, which you bought"
        elif after[i] >= 0:
            text = f"next after {titles[after[i]]}, which you bought"
        else:
            text = "popular in the last weeks" if popular is not None and popular[item[i]] else ""
        lines.append("; ".join(part for part in (text, "on promotion this week" if promoted else "") if part))
    return lines


def _promoted(table: pd.DataFrame, least: float = 0.2) -> np.ndarray:
    """Says where a display or a mailer shows the item in many stores in the week of the visit."""
    now = [name for name in table.columns if name.startswith("now_")]
    return table[now].to_numpy().max(axis=1) >= least if now else np.zeros(len(table), bool)


def _every(days: float) -> str:
    """Writes a gap: 1.2 -> "every day", 9.4 -> "every 9 days"."""
    return "every day" if not days >= 1.5 else f"every {days:.0f} days"


def _ago(days: float) -> str:
    return "today" if days < 0.5 else "yesterday" if days < 1.5 else f"{days:.0f} days ago"
