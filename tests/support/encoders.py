"""Untrained text encoders, small enough to run in no time."""


def write_bert(folder, words, n_layers=2):
    """Writes an untrained BERT in plain Hugging Face layout; its weights are the same each time.

    Args:
        folder (Path): An existing folder.
        words (Sequence[str]): All words that it knows.
        n_layers (int): How many layers.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": n_layers, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
