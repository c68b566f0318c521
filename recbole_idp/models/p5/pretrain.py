"""Pre-training of P5 on prompts about the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.data.domains import load_domains, source_locations
from recbole_idp.errors import UserError
from recbole_idp.models.p5.catalogue import source_catalogue
from recbole_idp.models.p5.keys import P5Settings
from recbole_idp.models.p5.network import SIZES, NetworkSizes, P5Network
from recbole_idp.models.p5.prompt_model import PromptModel
from recbole_idp.models.p5.start import first_start
from recbole_idp.models.p5.tokenizer import TOKENIZER, PieceTokenizer
from recbole_idp.models.p5.training import PromptTrainer
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.pretrained import Pretraining, find_or_make, open_given
from recbole_idp.train.pretrained_folder import (
    WEIGHTS,
    FolderContent,
    PretrainedWeights,
    card_text,
    metrics_text,
)
from recbole_idp.train.source_training import source_settings, train_resumably

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.train.clock import StageClock


@dataclass(frozen=True)
class PretrainedP5(PretrainedWeights):
    """A network that was pre-trained on prompts. It holds no user and no item: both were numbers in prompts.

    Attributes:
        tokenizer: The pieces that it reads and writes.
        sizes: The sizes of the network.
    """

    folder_format = FolderFormat(
        name="pre-trained P5",
        made_by="a run of P5",
        identifier="recbole_idp P5",
        description_file="p5.json",
        required_files=frozenset((WEIGHTS, TOKENIZER)),
        schema={"fingerprint": str, "domains": [{"name": str}], "sizes": SIZES},
    )

    tokenizer: PieceTokenizer
    sizes: NetworkSizes

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read the weights and the pieces, and check that they fit each other."""
        found = super().read_parts(folder, description)
        tokenizer, sizes = PieceTokenizer.read(folder / TOKENIZER), NetworkSizes(**description["sizes"])
        table = found["state"].get("t5.shared.weight")
        if table is None or table.shape != (sizes.vocabulary, sizes.width) or len(tokenizer) > sizes.vocabulary:
            raise UserError(f"{folder} has pieces, sizes and weights that do not fit each other: pre-train again")
        return {**found, "tokenizer": tokenizer, "sizes": sizes}


class PromptPretraining(Pretraining[PretrainedP5]):
    """Pre-training of P5 on prompts about the source domains.

    Args:
        config: The target's configuration.
    """

    result = PretrainedP5
    prefix = "p5"

    def __init__(self, config: Config) -> None:
        super().__init__(config, source_locations(config))

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source domains; see :class:`Pretraining`."""
        config = self.config
        with clock.stage("read", f"reading {', '.join(config['source_domains'])}") as facts:
            domains = load_domains(config)
            catalogue = source_catalogue(config, domains, self.locations)
            facts["source_interactions"] = domains.sequences.n_events
            facts["source_items"] = len(domains.item_tokens) - 1
        settings = source_settings(config, exclude_history=False, transfer="scratch")
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])

        def make_model() -> PromptModel:
            start = first_start(P5Settings.of(settings), catalogue)
            return PromptModel(settings, loaders[0].dataset, catalogue, start)

        with clock.stage("pretrain", "training P5 on prompts about the source domains") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, PromptTrainer)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        network: P5Network = trainer.model.network
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: network.weights()},
            facts={"sizes": asdict(network.sizes)},
            texts={TOKENIZER: trainer.model.tokenizer.to_json()},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        return card_text(
            "A pre-trained P5 of recbole_idp",
            f"T5 with whole-word embeddings (P5, arXiv 2203.13366), pre-trained on prompts about {names}.",
            {
                "Pieces": f"{description['sizes']['vocabulary']:,}",
                "Validation on held-out source users": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            "--model=P5 --transfer=fine_tune --dataset=NAME",
        )


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> PretrainedP5:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        Network and pieces.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["pretrained"]:
        return open_given(PretrainedP5, config["pretrained"], config["dataset"])
    return find_or_make(PromptPretraining(config), clock)
