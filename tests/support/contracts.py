"""What every model of the package promises. A model's test file is a subclass that names the model."""

import json

import pytest
import torch
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.rows import Batch
from recbole_idp.nn.history import without_history
from tests.support.interrupted import assert_ends_like_uninterrupted
from tests.support.toy import settings


class ModelContract:
    """The contract; a subclass sets :attr:`model`, and :attr:`causal` where the model sees the future.

    Attributes:
        model (str): The registered name.
        causal (bool): Whether the state at a position depends on earlier events only.
        changes (dict): Keys that differ from the toy configuration.
        random_start (dict): Keys that keep the model from taking anything over from source domains.
        learning (dict): Keys that differ further where the model has to learn something.
    """

    model = None
    causal = True
    changes = {}
    random_start = {"transfer": "scratch"}
    learning = {}

    @pytest.fixture
    def config(self, domains):
        """The model's configuration on the toy target."""
        return StrictConfig(self.model, "shop", config_dict=settings(domains, **self.changes))

    @pytest.fixture
    def loaders(self, config):
        """RecBole's loaders for training, validation and test."""
        return data_preparation(config, create_dataset(config))

    @pytest.fixture
    def untrained(self, config, loaders):
        """The model with random weights of a spread at which differences show."""
        init_seed(1, True)
        model = get_model(self.model)(config, loaders[0].dataset)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        return model.eval()

    def scores(self, model, items):
        """Returns the scores of all items after padded histories."""
        rows = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: (items > 0).sum(1)})
        with torch.no_grad():
            return model.full_sort_predict(rows)

    def test_configuration_survives_a_round_trip(self, config):
        values = json.loads(json.dumps(config.as_dict()))
        assert StrictConfig.from_dict(values).as_dict() == config.as_dict()

    def test_saved_model_gives_the_same_scores(self, config, loaders, untrained, workplace):
        train, _, test = loaders
        trainer = get_trainer(config["MODEL_TYPE"], self.model)(config, untrained)
        path = workplace / "model.safetensors"
        trainer._save_checkpoint(0, verbose=False, saved_model_file=path)
        other = get_model(self.model)(config, train.dataset)
        get_trainer(config["MODEL_TYPE"], self.model)(config, other).restore(path)
        items, _ = test.dataset.targets().histories(torch.arange(10), config["MAX_ITEM_LIST_LENGTH"])
        assert torch.equal(self.scores(untrained, items), self.scores(other.eval(), items))

    def test_items_of_the_history_are_left_out_if_asked(self, loaders, untrained):
        targets = loaders[2].dataset.targets()
        items, lengths = targets.histories(torch.arange(6), 4)
        untrained.exclude_history = False
        expected = without_history(self.scores(untrained, items), items)
        untrained.exclude_history = True
        assert torch.equal(self.scores(untrained, items), expected)
        rows = Interaction({untrained.ITEM_SEQ: items, untrained.ITEM_SEQ_LEN: lengths})
        for wanted in (items[:, 0], targets.items[:6]):
            rows.update(Interaction({untrained.ITEM_ID: wanted}))
            with torch.no_grad():
                single = untrained.predict(rows)
            torch.testing.assert_close(single, expected.gather(1, wanted.unsqueeze(1)).squeeze(1))

    def test_batch_equals_the_loop_of_singles(self, config, loaders, untrained):
        targets = loaders[2].dataset.targets()
        items, lengths = targets.histories(torch.arange(len(targets)), config["MAX_ITEM_LIST_LENGTH"])
        singles = [
            self.scores(untrained, row[:length].unsqueeze(0)) for row, length in zip(items, lengths, strict=True)
        ]
        torch.testing.assert_close(self.scores(untrained, items), torch.cat(singles))

    def test_padding_does_not_change_scores(self, untrained):
        items = torch.tensor([[1, 2, 3], [4, 5, 0]])
        padded = torch.nn.functional.pad(items, (0, 3))
        torch.testing.assert_close(self.scores(untrained, items), self.scores(untrained, padded))

    def test_future_events_change_earlier_states_where_the_model_reads_both_directions_only(self, untrained):
        items = torch.tensor([[1, 2, 3, 4, 5]])
        changed = torch.tensor([[1, 2, 3, 7, 6]])
        with torch.no_grad():
            before, after = untrained.encode(items), untrained.encode(changed)
        assert torch.allclose(before[:, :3], after[:, :3], atol=1e-5) == self.causal
        assert not torch.allclose(before[:, 3:], after[:, 3:], atol=1e-5)

    def test_predict_agrees_with_full_scores(self, untrained):
        items = torch.tensor([[1, 2, 3], [4, 5, 0]])
        rows = Interaction(
            {
                untrained.ITEM_SEQ: items,
                untrained.ITEM_SEQ_LEN: (items > 0).sum(1),
                untrained.ITEM_ID: torch.tensor([5, 6]),
            }
        )
        with torch.no_grad():
            expected = untrained.full_sort_predict(rows)[torch.arange(2), torch.tensor([5, 6])]
            torch.testing.assert_close(untrained.predict(rows), expected)

    def one_target_each(self, model, items, target):
        """Returns rows without padding and the item after each as a batch that training would read."""
        targets = torch.zeros_like(items)
        targets[:, -1] = target
        return Batch(((items, targets),), len(items))

    def test_prefix_and_position_losses_agree_where_there_is_one_target(self, untrained):
        items, target = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([4, 7])
        rows = Interaction({untrained.ITEM_SEQ: items, untrained.ITEM_SEQ_LEN: torch.tensor([3, 3]), "item_id": target})
        with torch.no_grad():
            torch.testing.assert_close(
                untrained.calculate_loss(rows), untrained.position_loss(self.one_target_each(untrained, items, target))
            )

    def test_learns_which_item_follows_which(self, domains):
        # In the toy data each item is always followed by the next one, so a model that learns ranks it first.
        changes = {"epochs": 60, "stopping_step": 60, "learning_rate": 0.01, **self.random_start}
        changes = settings(domains, **self.changes, **{**changes, **self.learning})
        config = StrictConfig(self.model, "shop", config_dict=changes)
        train, valid, test = data_preparation(config, create_dataset(config))
        init_seed(1, True)
        model = get_model(self.model)(config, train.dataset)
        trainer = get_trainer(config["MODEL_TYPE"], self.model)(config, model)
        trainer.fit(train, valid, verbose=False)
        assert trainer.evaluate(test)["hit@1"] > 0.95

    def test_an_interrupted_training_ends_like_an_uninterrupted_one(self, domains, workplace):
        def train(epochs, latest):
            changes = {**self.changes, **self.random_start, "epochs": epochs}
            config = StrictConfig(self.model, "shop", config_dict=settings(domains, **changes))
            train, valid, _ = data_preparation(config, create_dataset(config))
            init_seed(1, True)
            model = get_model(self.model)(config, train.dataset)
            trainer = get_trainer(config["MODEL_TYPE"], self.model)(config, model)
            trainer.latest = latest
            trainer.fit(train, valid, verbose=False)
            return trainer

        assert_ends_like_uninterrupted(train, workplace / "latest.safetensors")
