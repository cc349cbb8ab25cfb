"""Cells of small notebooks that look like the course's: what several test files share."""

PARAMETERS = """DATA: str = ""  # folder with your own shop; empty: the kit's data
USERS: int = 0  # random sample of so many users; 0: all
WORKSPACE: str = "../workspace"  # where built artifacts are kept
SEED: int = 0  # seed of all random choices
EPOCHS: int = 3  # passes over the training baskets"""

HEADLINE = 'from recsys_kit import report\nreport.headline("NDCG@10", 0.25, "popularity", 0.1)'
