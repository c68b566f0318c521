"""What a target model starts from."""

VARIANTS = {
    "scratch": "random IDs, random encoder, trained",
    "text_pca": "principal components of the target's own text vectors, random encoder, trained",
    "random_match": "IDs of random source items, pre-trained encoder, trained",
    "zero_shot": "generated IDs, pre-trained encoder, not trained",
    "fine_tune": "generated IDs, pre-trained encoder, trained",
    "new_encoder": "generated IDs, random encoder, trained",
}
"""What each variant starts from (IDP, direct use, fine-tuning and replaced encoder; the first three are controls)."""


SOURCELESS = ("scratch", "text_pca")
"""The variants that transfer nothing from source domains."""


GENERATED = ("zero_shot", "fine_tune", "new_encoder")
"""The variants whose IDs are generated from matched source items."""


OWN_ENCODER = (*SOURCELESS, "new_encoder")
"""The variants whose encoder starts at random."""
