"""Settings of TextKNN, and of adding its scores to those of any model."""

from typing import Any, Literal

from recbole_idp.config.setting import Affects, Distinct, Natural, Number, setting
from recbole_idp.errors import UserError
from recbole_idp.nn.encoder.keys import RecencySettings


class TextKNNSettings(RecencySettings):
    """Neighbours of the latest items by their texts."""

    whitened_components: Natural = setting(
        0, "default: principal components of the text vectors that are kept and whitened; 0: all.", Affects.EVALUATION
    )


class FusionSettings(TextKNNSettings):
    """Late fusion: another model's scores are added to those of a trained model."""

    fuse: Literal["TextKNN"] | None = setting(
        None, "Model whose scores are added to those of the trained model; None: no other.", Affects.EVALUATION
    )
    fuse_weights: Distinct[Number] = setting(
        [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0],
        "Weights of its scores that are tried on validation.",
        Affects.EVALUATION,
    )

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check that items are ranked, and that there is a validation that chooses the weight."""
        if values["fuse"] is None:
            return
        if values["model"] == values["fuse"]:
            raise UserError(
                f"fuse adds {values['fuse']} to another model, and the model is {values['model']}: remove it"
            )
        if values["predicts"] == "profile":
            raise UserError("fuse adds the scores of items, and predicts is profile: remove fuse")
        mode = values["eval_args"]["mode"]
        if any(part != "full" for part in (mode.values() if isinstance(mode, dict) else (mode,))):
            raise UserError(
                f"fuse ranks all items, and the mode of eval_args is {mode}: remove fuse, or take mode full"
            )
