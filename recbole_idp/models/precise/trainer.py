"""PRECISE's targeted training, and the use of its universal model as it is."""

from pathlib import Path

from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.precise.experts import log_experts, plot_experts
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.models.precise.universal import find_or_train
from recbole_idp.train.trainer import SequenceTrainer


class TargetedTrainer(SequenceTrainer):
    """Trains PRECISE_TT: from random weights and the token vectors of the target's texts.

    After training it says how much the experts are used, and draws it beside the checkpoint (``…-experts.svg``).
    """

    def fit(self, train_data, valid_data=None, verbose=True, saved=True, show_progress=False, callback_fn=None):
        """Initialises and trains the model; arguments and result as in RecBole."""
        if self.start_epoch == 0:
            with self.preparing():
                self._start(train_data.dataset, valid_data.dataset if valid_data else None)
        best = self._fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        self._report_experts()
        return best

    def _start(self, dataset, valid):
        """Gives the model its first token vectors."""
        if self.config["fusion"] != "id_only":
            self.model.fusion.start_tokens(token_vectors(self.config, target_texts(self.config, dataset)))

    def _fit(self, *arguments):
        return super().fit(*arguments)

    def _report_experts(self):
        if Path(self.saved_model_file).is_file():
            self.restore(self.saved_model_file)
        usage = self.model.fusion.expert_usage()
        if usage is None:
            return
        usage, name = usage.tolist(), f"{self.config['model']} on {self.config['dataset']}"
        log_experts(usage, name)
        plot_experts(usage, name, Path(self.saved_model_file).with_suffix("").as_posix() + "-experts.svg")


class PreciseTrainer(TargetedTrainer):
    """Trains PRECISE from its universal model, and takes PRECISE_UT as universal training left it.

    The universal model is the folder named by ``pretrained``, or the one made before from the same data and settings,
    or is trained now.
    """

    def _start(self, dataset, valid):
        """Gives the model the universal model's weights."""
        universal = find_or_train(self.config, dataset, valid)
        # It was trained on the target as well, whether now or before.
        self.earlier_seconds = universal.description.get("seconds", 0.0)
        self.model.start_from(universal.state, universal.rows(dataset.item_tokens()))

    def _fit(self, train_data, valid_data, verbose, saved, show_progress, callback_fn):
        if self.model.targeted:
            return super()._fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        self.eval_collector.data_collect(train_data)
        if valid_data:
            self.best_valid_score, self.best_valid_result = self._valid_epoch(valid_data, show_progress)
        if saved:
            self._save_checkpoint(-1, verbose=verbose)
        return self.best_valid_score, self.best_valid_result
