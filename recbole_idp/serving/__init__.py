"""Use trained models from a folder alone: recommend, add items, export."""
