"""Encoders of item content that are trained together with a recommender."""
