"""SASRec with a loss at every position, as the plugin trains it: the baseline without texts and source domains."""

from recbole_idp.models.base.sequence_model import SequenceModel


class PositionSASRec(SequenceModel):
    """SASRec (arXiv 1808.09781), which reads each event once an epoch and learns at every position.

    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    With the same weights it gives the scores of RecBole's SASRec, which learns from the last position of a row for each
    event instead (``--training_rows=prefix``). The softmax over all items replaces the paper's binary cross-entropy
    against one drawn item (``--loss_type=BCE``).
    """
