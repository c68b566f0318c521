"""Sequence encoders: item vectors [B, L, D] and padding [B, L] -> states [B, L, D]."""
