"""Results and leaderboards as objects that a notebook shows: as tables, DataFrames and plots."""
