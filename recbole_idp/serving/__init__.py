"""Trained models in use: recommending, adding items and exporting, from a folder alone."""
