"""The folder of a trained model that writes items as answers (P5). Opening it executes nothing.

model.safetensors   the network
tokenizer.json      the pieces that it reads and writes
items.tsv           id, number in prompts, and title of each item
generative.json     sizes, wording, and what it was trained on
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.models.p5.keys import RankingSettings
from recbole_idp.models.p5.network import SIZES, NetworkSizes, P5Network
from recbole_idp.models.p5.prompts import PromptWriter
from recbole_idp.models.p5.ranking import ItemRanking
from recbole_idp.models.p5.tokenizer import TOKENIZER, PieceTokenizer
from recbole_idp.models.p5.trie import ItemTrie
from recbole_idp.serving.card import generative_card
from recbole_idp.serving.new_items import NewItems, read_new_items
from recbole_idp.serving.trained_model import CARD, ITEMS, MODEL
from recbole_idp.serving.whole_folder import GENERATIVE, WholeFolder
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat, check_sealed, read_weights, seal, write_weights
from recbole_idp.train.pretrained_folder import read_table, table_text

if TYPE_CHECKING:
    from recbole_idp.data.item_names import HistoryItem
    from recbole_idp.serving.generative import GenerativeRecommender

FORMAT = FolderFormat(
    name="trained model",
    made_by="the task run",
    identifier="recbole_idp generative model",
    description_file=GENERATIVE,
    required_files=frozenset((MODEL, ITEMS, TOKENIZER)),
    schema={
        "model": str,
        "dataset": str,
        "variant": str,
        "seed": int,
        "added": int,
        "valid": ObjectOf(float),
        "test": ObjectOf(float),
        "sizes": SIZES,
        "wording": {"title_words": int, "prompt_pieces": int, "longest_history": int, "only_unseen": bool},
        "ranking": {"scoring": {"beam", "exact"}, "beams": int, "test_prompt": {"seen", "unseen"}},
        "pretrained_on": [str],
        "config": ObjectOf(),
    },
)
_COLUMNS = ("item_id", "number", "title")


@dataclass
class GenerativeModel(WholeFolder):
    """A trained model that writes items as answers to prompts. N items with padding.

    Attributes:
        weights: Weights of the network.
        tokenizer: The pieces.
        numbers: The number that names each of items 1 to N - 1 in prompts.
        tokens: Their ids.
        titles: Their titles, empty where there is none.
        description: ``model``, ``dataset``, ``variant``, ``seed``, ``sizes``, ``wording``, ``ranking``,
            ``pretrained_on``, ``added``, ``valid``, ``test``, ``config``, ``versions``.
        folder: The folder that it was opened from; None: it is not saved yet.
    """

    folder_format = FORMAT

    weights: dict[str, torch.Tensor]
    tokenizer: PieceTokenizer
    numbers: list[int]
    tokens: list[str]
    titles: list[str]
    description: dict[str, Any]
    folder: Path | None = None

    # Users and other domains have no place in it: a prompt names items of the target alone.
    users = None
    history_items: tuple[HistoryItem, ...] = ()
    domains: tuple[str, ...] = ()

    @property
    def pretrained_on(self) -> list[str]:
        """The domains that it was pre-trained on."""
        return self.description["pretrained_on"]

    @property
    def n_items(self) -> int:
        """The number of items, padding included: N."""
        return len(self.tokens) + 1

    @property
    def read_numbers(self) -> range:
        """The numbers of the items that are read in a history."""
        return range(1, self.n_items)

    def recommender(self) -> GenerativeRecommender:
        """Return what recommends by it."""
        from recbole_idp.serving.generative import GenerativeRecommender

        return GenerativeRecommender(self)

    def network(self) -> P5Network:
        """Build the network, in evaluation mode.

        Raises:
            RuntimeError: The weights are those of another network.
        """
        with torch.random.fork_rng(devices=[]):
            network = P5Network(NetworkSizes(**self.description["sizes"]))
        network.load(self.weights)
        return network.eval()

    def ranking(self) -> ItemRanking:
        """Return what ranks the items.

        Raises:
            ValueError: Two items have the same number.
        """
        wording, rule = self.description["wording"], self.description["ranking"]
        # With the words of titles that prompts name, as in training.
        titles = ["", *self.titles]
        words, longest = wording["title_words"], wording["prompt_pieces"]
        writer = PromptWriter(self.tokenizer, [0, *self.numbers], titles, words, longest)
        return ItemRanking(writer, ItemTrie(writer.answers[1:]), RankingSettings(**rule))

    def _fill(self, building: Path) -> None:
        """Write all files into a folder, and seal it."""
        write_weights(building / MODEL, self.weights)
        (building / TOKENIZER).write_text(self.tokenizer.to_json(), encoding="utf-8")
        columns = (self.tokens, list(map(str, self.numbers)), [" ".join(title.split()) for title in self.titles])
        (building / ITEMS).write_text(table_text(_COLUMNS, *columns), encoding="utf-8", errors="replace")
        (building / CARD).write_text(generative_card(self), encoding="utf-8")
        seal(building, FORMAT, self.description)

    @classmethod
    def open(cls, folder: str | Path) -> GenerativeModel:
        """Open a folder after checking each of its files; nothing in it is executed.

        Args:
            folder: A folder that :meth:`save` wrote.

        Returns:
            The model.

        Raises:
            UserError: The folder is missing or has another format or version, or a file was changed or does not fit
                the others.
        """
        folder = Path(folder)
        description = check_sealed(folder, FORMAT)
        tokens, numbers, titles = read_table(folder / ITEMS, 3)
        try:
            model = cls(
                read_weights(folder / MODEL, FORMAT),
                PieceTokenizer.read(folder / TOKENIZER),
                [int(number) for number in numbers],
                tokens,
                titles,
                description,
                folder,
            )
            model._check()
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"trained model {folder} cannot be read ({reason}): train it again") from error
        return model

    def with_items(
        self, path: str | Path, pretrained: str | None = None, text_vectors: str | None = None
    ) -> tuple[GenerativeModel, NewItems]:
        """Add the items of a file that the model does not have yet, without training.

        Each gets the next free number, which joins the trie. The network was never trained to write it: what it knows
        of such an item is what its digits share with others, and in histories the words of its title, if prompts name
        titles.

        Args:
            path: An ``.item`` file.
            pretrained: No folder is needed.
            text_vectors: No vectors are read.

        Returns:
            The extended model, not saved yet, and the new items.

        Raises:
            UserError: The file cannot be read, or has no new item with a text; or a folder is given.
        """
        if pretrained:
            raise UserError(f"{self.description['model']} adds items without a pre-trained folder: remove --pretrained")
        if text_vectors is not None:
            raise UserError(f"{self.description['model']} was trained on texts: leave --text_vectors out")
        new = read_new_items(self, path)
        first = max(self.numbers) + 1
        about = self.description
        extended = dataclasses.replace(
            self,
            numbers=[*self.numbers, *range(first, first + len(new.texts))],
            tokens=[*self.tokens, *new.texts],
            titles=[*self.titles, *new.titles],
            description={**about, "added": about["added"] + len(new.texts)},
            folder=None,
        )
        return extended, new

    def _check(self) -> None:
        """Raise where the parts do not fit each other; a seal alone does not make a folder consistent."""
        sizes = self.description["sizes"]
        layers = sum(name.endswith("EncDecAttention.q.weight") for name in self.weights)
        # Before anything is built: wrong sizes could exhaust memory.
        table = self.weights["t5.shared.weight"]
        inner = self.weights[f"t5.encoder.block.0.layer.1.DenseReluDense.{'wi_0' if sizes['gated'] else 'wi'}.weight"]
        attention = "t5.encoder.block.0.layer.0.SelfAttention"
        query, bias = (self.weights[f"{attention}.{name}.weight"] for name in ("q", "relative_attention_bias"))
        if (
            table.shape != (sizes["vocabulary"], sizes["width"])
            or inner.shape != (sizes["inner"], sizes["width"])
            or query.shape != (sizes["heads"] * sizes["key"], sizes["width"])
            or bias.shape != (sizes["buckets"], sizes["heads"])
            or layers != sizes["layers"]
        ):
            raise ValueError("its sizes are not those of its weights")
        if len(self.tokenizer) > sizes["vocabulary"]:
            raise ValueError("it has more pieces than its network")
        if min(self.numbers) < 1 or len(set(self.tokens)) < len(self.tokens):
            raise ValueError("an item has no number, or is there twice")
        wording, rule = self.description["wording"], self.description["ranking"]
        if min(wording["prompt_pieces"], wording["longest_history"], rule["beams"]) < 1 or wording["title_words"] < 0:
            raise ValueError("a length in its description is not positive")
        self.ranking()
        self.network()
