"""Checkpoints of trainings that begin at the same time."""

from recbole.trainer import trainer as recbole_trainer

from recbole_idp import testing
from recbole_idp.testing.models import trainer_for, with_random_weights


def test_two_trainings_of_one_second_do_not_share_a_checkpoint(domains, monkeypatch):
    monkeypatch.setattr(recbole_trainer, "get_local_time", lambda: "Jan-01-2026_00-00-00")
    config = testing.configured(domains, "PositionSASRec")
    model, _ = with_random_weights(config)
    first, second = (trainer_for(config, model).saved_model_file for _ in range(2))
    assert first != second and "Jan-01-2026_00-00-00" in first
