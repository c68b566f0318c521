"""Training by several processes of one machine, or of several by torchrun."""
