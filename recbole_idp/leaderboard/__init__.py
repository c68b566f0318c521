"""Many models, datasets and seeds in one command: every combination is a job, and the jobs make a board."""
