"""Small networks that are grafted into a trained encoder, which stays as it is."""
