"""TransRec: items of text and items of pictures in one sequence (arXiv 2206.06190)."""
