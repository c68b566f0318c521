"""DA-CDR (own reconstruction): shared and private encoders of two domains, trained adversarially."""
