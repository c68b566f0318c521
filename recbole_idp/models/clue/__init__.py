"""CLUE: user encoders pre-trained by comparing two views of a sequence (ICDM 2021)."""
