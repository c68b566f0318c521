"""recbole_idp: ID-centric cross-domain transfer for RecBole."""
