"""P5: recommendation as language processing (RecSys 2022, arXiv 2203.13366)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.errors import UserError
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.p5.batches import Drawn, PromptBatch, PromptBatches, as_batch
from recbole_idp.models.p5.catalogue import Catalogue, target_catalogue
from recbole_idp.models.p5.keys import P5Settings
from recbole_idp.models.p5.network import PUBLISHED, NetworkSizes, P5Network
from recbole_idp.models.p5.prompts import PromptWriter, evaluation_template
from recbole_idp.models.p5.published import read_published
from recbole_idp.models.p5.ranking import ItemRanking
from recbole_idp.models.p5.ratings import training_ratings
from recbole_idp.models.p5.sampling import NO_RATINGS, PromptData, PromptSampler, Ratings, training_lines
from recbole_idp.models.p5.templates import all_words
from recbole_idp.models.p5.tokenizer import PieceTokenizer, plain_words, whole_words
from recbole_idp.models.p5.trie import ItemTrie

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.sequences import Targets
