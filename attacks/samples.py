"""Sound files of each kind, made by short trainings on toy data; attacks damage copies of them."""

import json
import os
from pathlib import Path
from typing import NamedTuple


class Samples(NamedTuple):
    """Sound files and folders.

    Attributes:
        bundle: A bundle of IDP.
        unisrec: A pre-trained UniSRec.
        recformer: A pre-trained Recformer.
        precise: A universal PRECISE.
        peterrec: A pre-trained PeterRec.
        clue: A pre-trained CLUE.
        conure: A Conure that has learned two tasks.
        trained: A trained model.
        texts: A trained model that reads histories as texts.
        mixed: A trained model whose histories hold items of two domains.
        encoder: A saved text encoder that is a transformer.
        lsa: A saved text encoder without weights.
        chosen: A transformer in the layout of Hugging Face, as a user names one.
        checkpoint: A checkpoint.
        result: A result, with ranks beside it.
        board: A leaderboard.
        data: A folder of datasets.
    """

    bundle: Path
    unisrec: Path
    recformer: Path
    precise: Path
    peterrec: Path
    clue: Path
    conure: Path
    trained: Path
    texts: Path
    mixed: Path
    encoder: Path
    lsa: Path
    chosen: Path
    checkpoint: Path
    result: Path
    board: Path
    data: Path


def make_samples(folder: Path) -> Samples:
    """Make them.

    Args:
        folder: An empty folder.

    Returns:
        Where they are.
    """
    from recbole_idp.content.text.encoder import load_text_encoder
    from recbole_idp.run.run import run
    from recbole_idp.testing import configured
    from recbole_idp.testing.toy import WORDS, write_domains
    from tests.support.boards import leaderboard
    from tests.support.encoders import write_bert
    from tests.support.people import JOINED, write_people

    here = Path.cwd()
    os.chdir(folder)
    try:
        data = write_domains(folder / "data")
        trained = folder / "trained"
        changes = {"variants": ["fine_tune"], "epochs": 1, "pretrain_epochs": 1}
        run(configured(data, "IDP", trained_dir=str(trained), keep_users=True, **changes))
        run(configured(data, "UniSRec", n_experts=3, **changes))
        texts = folder / "texts"
        words = {"max_tokens": 20, "second_epochs": 0, "epochs": 1, "pretrain_epochs": 1}
        run(configured(data, "Recformer", trained_dir=str(texts), **words))
        small = {"semantic_size": 8, "token_count": 2, "token_width": 4, "n_experts": 3, "targeted_length": 6}
        run(configured(data, "PRECISE", head_size=32, epochs=1, **small))
        short = {"epochs": 1, "pretrain_epochs": 1}
        run(configured(data, "PeterRec", variants=["head"], block_num=1, **short))
        run(configured(data, "CLUE", variants=["fine_tune"], pretrain_batch_size=16, **short))
        learned = run(configured(data, "Conure", variants=["learn"], block_num=1, retrain_epochs=1, **short))
        people, mixed = write_people(folder / "people"), folder / "mixed"
        joined = {**JOINED, "trained_dir": str(mixed), "keep_users": True}
        run(configured(people, "PositionSASRec", "films", epochs=1, **joined))
    finally:
        os.chdir(here)
    chosen = folder / "chosen"
    chosen.mkdir()
    write_bert(chosen, sorted({word for words in WORDS for word in words.split()}))
    load_text_encoder(chosen).save(folder / "encoder")
    board = folder / "board.json"
    board.write_text(json.dumps(leaderboard()), encoding="utf-8")
    saved = data / "saved"
    (bundle,), (unisrec,) = saved.glob("pretrain-*"), saved.glob("unisrec-*")
    recformer, precise, peterrec, clue = (
        next(path.parent for path in saved.glob(f"*/{name}.json"))
        for name in ("recformer", "precise", "peterrec", "clue")
    )
    # Not the network after its first task, which lies beside.
    conure = Path(learned["variants"]["learn"]["runs"][0]["conure"])
    result = next((data / "results").glob("IDP-*.json"))
    return Samples(
        bundle=bundle,
        unisrec=unisrec,
        recformer=recformer,
        precise=precise,
        peterrec=peterrec,
        clue=clue,
        conure=conure,
        trained=trained,
        texts=texts,
        mixed=mixed,
        encoder=folder / "encoder",
        lsa=bundle / "text_encoder",
        chosen=chosen,
        checkpoint=next(iter(sorted(saved.glob("IDP-*.safetensors")))),
        result=result,
        board=board,
        data=data,
    )


def check_sound(samples: Samples) -> None:
    """Read each sample as it is, so that a refusal of its damaged copies means something.

    Args:
        samples: The samples.

    Raises:
        UserError: One is refused.
    """
    from attacks.folders import kinds
    from recbole_idp.content.text.encoder import load_text_encoder, open_text_encoder
    from recbole_idp.models.idp.cdim.matchers import open_matcher
    from recbole_idp.report.board.file import read_board
    from recbole_idp.report.result import read_ranks
    from recbole_idp.storage.checkpoint import load_checkpoint

    for kind in kinds(samples):
        kind.open(kind.sample)
    for folder in (samples.encoder, samples.lsa):
        open_text_encoder(folder)
    load_text_encoder(samples.chosen)
    open_matcher("head", samples.bundle / "cdim", samples.data)
    load_checkpoint(samples.checkpoint)
    read_ranks(samples.result)
    read_board(samples.board)
