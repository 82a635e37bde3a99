"""The commands over runs: list, compare, leaderboard, check, prune, promote."""
