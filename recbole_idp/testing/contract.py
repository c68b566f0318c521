"""What every model of the package promises, as tests that a subclass inherits; see :mod:`recbole_idp.testing`."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.utils import get_model

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.rows import Batch
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.nn.history import without_history
from recbole_idp.testing.interruption import assert_ends_like_uninterrupted
from recbole_idp.testing.models import configured, fitted, trainer_for, with_random_weights
from recbole_idp.testing.toy import write_domains


class ModelContract:
    """The contract. A subclass names the model, and says where it differs from a causal model without sources.

    Shapes: B batch, L length, D width, N items.

    Attributes:
        model: The registered name.
        causal: Whether the state at a position depends on earlier events only. False for a model that reads both
            directions: then a later event has to change earlier states.
        changes: Keys that differ from the toy configuration.
        random_start: Keys that keep the model from taking anything over from source domains, for the tests that train.
        learning: Keys that differ further in the test that the model learns.
    """

    model: ClassVar[str]
    causal: ClassVar[bool] = True
    changes: ClassVar[dict[str, Any]] = {}
    random_start: ClassVar[dict[str, Any]] = {}
    learning: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def workplace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An empty current folder: RecBole writes log/ and log_tensorboard/ there."""
        monkeypatch.chdir(tmp_path)
        return tmp_path

    @pytest.fixture
    def domains(self, workplace: Path) -> Path:
        """The folder of the toy domains."""
        return write_domains(workplace / "data")

    @pytest.fixture
    def config(self, domains: Path) -> StrictConfig:
        """The model's configuration on the toy target."""
        config = configured(domains, self.model, **self.changes)
        assert issubclass(config.model_class, SequenceModel), (
            f"{self.model} is no SequenceModel: this contract is for models that extend "
            "recbole_idp.models.base.sequence_model.SequenceModel"
        )
        return config

    @pytest.fixture
    def made(self, config: StrictConfig) -> tuple[SequenceModel, tuple[Any, Any, Any]]:
        """The model with random weights at which differences show, and RecBole's three loaders."""
        model, loaders = with_random_weights(config)
        assert isinstance(model, SequenceModel)  # as config has checked its class
        return model, loaders

    @pytest.fixture
    def untrained(self, made: tuple[SequenceModel, tuple[Any, Any, Any]]) -> SequenceModel:
        """The model with random weights at which differences show, in evaluation mode."""
        return made[0]

    @pytest.fixture
    def loaders(self, made: tuple[SequenceModel, tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
        """RecBole's loaders for training, validation and test."""
        return made[1]

    def rows(self, model: SequenceModel, items: torch.Tensor, **more: torch.Tensor) -> Interaction:
        """Return padded histories of shape [B, L] as RecBole hands them to a model."""
        return Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: (items > 0).sum(1), **more})

    def scores(self, model: SequenceModel, items: torch.Tensor) -> torch.Tensor:
        """Return the scores of all items after padded histories of shape [B, L]; shape [B, N]."""
        with torch.no_grad():
            return model.full_sort_predict(self.rows(model, items))

    def one_target_each(self, model: SequenceModel, items: torch.Tensor, target: torch.Tensor) -> Batch:
        """Return rows without padding, and the item after each, as a batch that training would read.

        Args:
            model: The model.
            items: Shape [B, L].
            target: Shape [B].
        """
        targets = torch.zeros_like(items)
        targets[:, -1] = target
        return Batch(((items, targets),), len(items))

    def assert_close(self, found: torch.Tensor, expected: torch.Tensor, promise: str) -> None:
        """Fail with the promise that is broken, and where, unless two tensors are equal but for rounding."""
        torch.testing.assert_close(found, expected, msg=lambda text: f"{self.model}: {promise}\n{text}")

    def test_configuration_survives_a_round_trip(self, config):
        values = json.loads(json.dumps(config.as_dict()))
        assert StrictConfig.from_dict(values).as_dict() == config.as_dict(), (
            f"{self.model}: a configuration that is written as JSON has to be read as it was"
        )

    def test_saved_model_gives_the_same_scores(self, config, loaders, untrained, workplace):
        train, _, test = loaders
        path = workplace / "model.safetensors"
        trainer_for(config, untrained)._save_checkpoint(0, verbose=False, saved_model_file=path)
        other = get_model(self.model)(config, train.dataset)
        trainer_for(config, other).restore(path)
        items, _ = test.dataset.targets().histories(torch.arange(10), config["MAX_ITEM_LIST_LENGTH"])
        assert torch.equal(self.scores(untrained, items), self.scores(other.eval(), items)), (
            f"{self.model}: a checkpoint has to give the scores of the model that it was made of; "
            "is something that decides on scores neither a parameter nor a buffer?"
        )

    def test_items_of_the_history_are_left_out_if_asked(self, loaders, untrained):
        targets = loaders[2].dataset.targets()
        items, _ = targets.histories(torch.arange(6), 4)
        untrained.exclude_history = False
        expected = without_history(self.scores(untrained, items), items)
        untrained.exclude_history = True
        assert torch.equal(self.scores(untrained, items), expected), (
            f"{self.model}: with exclude_history, full_sort_predict has to give items of the history the score -inf, "
            "and all others the score that they have without"
        )
        for wanted in (items[:, 0], targets.items[:6]):
            with torch.no_grad():
                single = untrained.predict(self.rows(untrained, items, **{untrained.ITEM_ID: wanted}))
            self.assert_close(
                single,
                expected.gather(1, wanted.unsqueeze(1)).squeeze(1),
                "with exclude_history, predict has to give the scores of full_sort_predict",
            )

    def test_batch_equals_the_loop_of_singles(self, config, loaders, untrained):
        targets = loaders[2].dataset.targets()
        items, lengths = targets.histories(torch.arange(len(targets)), config["MAX_ITEM_LIST_LENGTH"])
        singles = [
            self.scores(untrained, row[:length].unsqueeze(0)) for row, length in zip(items, lengths, strict=True)
        ]
        self.assert_close(
            self.scores(untrained, items), torch.cat(singles), "a row's scores must not depend on the batch it is in"
        )

    def test_padding_does_not_change_scores(self, untrained):
        items = torch.tensor([[1, 2, 3], [4, 5, 0]])
        padded = torch.nn.functional.pad(items, (0, 3))
        self.assert_close(
            self.scores(untrained, padded), self.scores(untrained, items), "scores must not depend on padding"
        )

    def test_future_events_change_earlier_states_where_the_model_reads_both_directions_only(self, untrained):
        items = torch.tensor([[1, 2, 3, 4, 5]])
        changed = torch.tensor([[1, 2, 3, 7, 6]])
        with torch.no_grad():
            before, after = untrained.encode(items), untrained.encode(changed)
        unchanged = torch.allclose(before[:, :3], after[:, :3], atol=1e-5)
        assert unchanged or not self.causal, (
            f"{self.model} leaks the future: the states of events 1 to 3 changed when only events 4 and 5 did "
            "(causal = False is for models that are trained to read both directions)"
        )
        assert self.causal or not unchanged, (
            f"{self.model} is declared causal = False, but later events do not change the states of earlier ones"
        )
        assert not torch.allclose(before[:, 3:], after[:, 3:], atol=1e-5), (
            f"{self.model}: the state at a position has to depend on the event there"
        )

    def test_predict_agrees_with_full_scores(self, untrained):
        items = torch.tensor([[1, 2, 3], [4, 5, 0]])
        rows = self.rows(untrained, items, **{untrained.ITEM_ID: torch.tensor([5, 6])})
        with torch.no_grad():
            expected = untrained.full_sort_predict(rows)[torch.arange(2), torch.tensor([5, 6])]
            self.assert_close(
                untrained.predict(rows), expected, "predict has to give an item the score that full_sort_predict gives"
            )

    def test_prefix_and_position_losses_agree_where_there_is_one_target(self, untrained):
        items, target = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([4, 7])
        with torch.no_grad():
            self.assert_close(
                untrained.calculate_loss(self.rows(untrained, items, **{untrained.POS_ITEM_ID: target})),
                untrained.position_loss(self.one_target_each(untrained, items, target)),
                "calculate_loss and position_loss have to agree on rows of one target (a loss that draws differs from "
                "call to call: set this test to None)",
            )

    def test_learns_which_item_follows_which(self, domains):
        # In the toy data each item is always followed by the next one, so a model that learns ranks it first.
        changes = {"epochs": 60, "stopping_step": 60, "learning_rate": 0.01, **self.changes, **self.random_start}
        trainer, test = fitted(configured(domains, self.model, **{**changes, **self.learning}))
        found = trainer.evaluate(test)["hit@1"]
        assert found > 0.95, (
            f"{self.model} ranks the next item first for {found:.0%} of the users; each item is always followed by the "
            "same one, so that 95 % and more are expected after 60 epochs"
        )

    def test_an_interrupted_training_ends_like_an_uninterrupted_one(self, domains, workplace):
        def train(epochs, latest):
            changes = {**self.changes, **self.random_start, "epochs": epochs}
            return fitted(configured(domains, self.model, **changes), latest)[0]

        assert_ends_like_uninterrupted(train, workplace / "latest.safetensors")
