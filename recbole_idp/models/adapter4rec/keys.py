"""Settings of Adapter4Rec (arXiv 2305.15036)."""

from typing import Literal

from recbole_idp.config.setting import Affects, Count, Distinct, Positive, setting
from recbole_idp.content.trainable.keys import TrainedParts
from recbole_idp.models.adapter4rec.content_adapters import ContentAdapters
from recbole_idp.models.morec.keys import MoRecSettings, TransformerBlock
from recbole_idp.nn.adapters.forms import AdapterForm, AdapterKind
from recbole_idp.train.keys import Loss

_BOTH = Affects.PRETRAINING | Affects.TRAINING

Tuning = Literal["scratch", "zero_shot", "frozen", "fine_tune", "adapters"]


class Adapter4RecSettings(MoRecSettings):
    """MoRec from source domains, tuned by adapters."""

    encoder: Literal["SASRec", "BSARec"] = setting(
        "SASRec",
        "paper: SASRec; BSARec, with transformer_block RecBole; adapters need a norm behind each layer.",
        _BOTH,
        implied="SASRec",
    )
    content: Literal["text"] = setting("text", "default: text, as encoders of pictures get no adapters here.", _BOTH)
    loss_type: Loss = setting("BCE", "paper: BCE, with one drawn negative a target.", _BOTH)
    pretrain_batch_size: Count = setting(
        256, "default: targets a batch on the source domains; paper: 32 rows of 20.", Affects.PRETRAINING
    )
    train_batch_size: Count = setting(256, "default: targets a batch; paper: 32 rows of 20.", Affects.TRAINING)
    objective: Literal["sasrec", "cpc"] = setting(
        "sasrec", "paper: sasrec, a loss at every position; cpc, at the last one.", Affects.TRAINING
    )
    transformer_block: TransformerBlock = setting("MoRec", "paper: MoRec, blocks without biases; RecBole.", _BOTH)
    train_encoder: TrainedParts = setting(
        "all",
        "paper: all layers of the content encoder are pre-trained, and get adapters; last_n; none.",
        _BOTH,
    )
    encoder_learning_rate: Positive = setting(
        5e-4, "default: learning rate of the content encoder and its adapters; paper: 5e-5, adapters 1.5e-4.", _BOTH
    )
    transfer: Tuning = setting(  # type: ignore[assignment]  # more values than MoRec has
        "adapters",
        "paper: adapters; fine_tune, all parameters; controls: scratch, zero_shot, frozen content encoder.",
        Affects.TRAINING,
    )
    variants: Distinct[Tuning] = setting(
        ["fine_tune", "adapters"], "Variants to train and evaluate, side by side.", Affects.OUTPUT
    )
    adapter: AdapterKind = setting("houlsby", "paper: houlsby, or one of the others.", Affects.TRAINING)
    adapter_form: Literal["paper", "reference"] = setting(
        "paper",
        "reference: parallel and compacter as in the paper's code, which changes the pre-trained model at the start.",
        Affects.TRAINING,
    )
    user_adapter_size: Count = setting(16, "paper: width inside adapters of the sequence encoder.", Affects.TRAINING)
    encoder_adapter_size: Count = setting(
        64, "paper: width inside adapters of the content encoder; 192 for k_adapter.", Affects.TRAINING
    )
    lora_rank: Count = setting(4, "paper: rank of lora in the sequence encoder.", Affects.TRAINING)
    encoder_lora_rank: Count = setting(12, "paper: rank of lora in the content encoder.", Affects.TRAINING)
    prompt_length: Count = setting(30, "paper: learned vectors before each text of soft_prompt.", Affects.TRAINING)
    train_layer_norms: bool = setting(
        False, "default: norms stay as pre-trained; paper: trained with some forms.", Affects.TRAINING
    )

    def user_form(self) -> AdapterForm:
        """Return the adapters of the sequence encoder."""
        return AdapterForm(self.adapter, self.user_adapter_size, self.lora_rank, self.adapter_form == "reference")

    def content_adapters(self) -> ContentAdapters:
        """Return the adapters of the content encoder."""
        reference = self.adapter_form == "reference"
        form = AdapterForm(self.adapter, self.encoder_adapter_size, self.encoder_lora_rank, reference)
        return ContentAdapters(form, self.prompt_length, self.depth)
