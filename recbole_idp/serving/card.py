"""What a stranger should know about a trained model, as Markdown."""


def model_card(trained):
    """Returns the model card.

    Args:
        trained (TrainedModel): The model.

    Returns:
        str: Markdown.
    """
    about = trained.description
    encoder = about["encoder"]
    lines = [
        f"# {about['model']}, trained on {about['dataset']}",
        "",
        f"A sequential recommender of recbole_idp: {len(trained.tokens):,} items, encoder {encoder['kind']}, width "
        f"{encoder['hidden_size']}, the latest {encoder['MAX_ITEM_LIST_LENGTH']} events of a history.",
        "",
        f"- Variant: {about['variant']}, seed {about['seed']}",
        f"- Validation: {_metrics(about['valid'])}",
        f"- Test: {_metrics(about['test'])}",
        f"- Pre-trained on: {_sources(about['bundle'])}",
        f"- Items added without training: {about['added']:,}",
        "",
        'Use it: `recbole-idp recommend --trained=THIS_FOLDER --history="ID,ID"`',
        "",
        "Opening it executes nothing. Its vectors tell which items are interacted with together; ids and titles are "
        "those of the training data, whose terms apply.",
    ]
    return "\n".join(lines) + "\n"


def _metrics(values):
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items()) or "none"


def _sources(bundle):
    return "nothing" if bundle is None else f"{', '.join(bundle['domains'])} (bundle {bundle['fingerprint']})"
