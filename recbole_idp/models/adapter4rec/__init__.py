"""Adapter4Rec: parameter-efficient transfer of recommenders that read item content (arXiv 2305.15036)."""
