"""Cells of small notebooks that look like the course's: what several test files share."""

PARAMETERS = """DATA: str = ""  # folder with your own shop; empty: the kit's data
USERS: int = 0  # random sample of so many users; 0: all (0 or more)
WORKSPACE: str = "../workspace"  # where built artifacts are kept
SEED: int = 0  # seed of all random choices (0 or more)
EPOCHS: int = 3  # passes over the training baskets (1 or more)"""

HEADLINE = 'from recsys_kit import report\nreport.headline("NDCG@10", 0.25, "popularity", 0.1)'
