"""Speed and memory beside RecBole's own, as ratios measured in one run."""
