"""Write a model in one class, and train it beside the baseline that it changes.

Run: python examples/a_model_of_your_own.py [more.yaml ...]
"""

import sys

import torch

import recbole_idp


@recbole_idp.add_model
class UnitSASRec(recbole_idp.SequenceModel):
    """A SASRec whose item vectors have one length, so that popular items have no longer ones.

    item ids -> unit vectors + positions -> SASRec blocks -> last state . unit vectors * scale -> scores
    """

    extends = "PositionSASRec"  # whose defaults it has

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.scale = torch.nn.Parameter(torch.tensor(8.0))

    def item_vectors(self):
        """Return the vector of every item, as input and as candidate; shape [N, D]."""
        return self.scale * torch.nn.functional.normalize(self.item_embedding.weight)


def main(files: list[str]) -> None:
    for model in ("PositionSASRec", "UnitSASRec"):
        result = recbole_idp.run(recbole_idp.StrictConfig(model, config_file_list=files))
        print(f"{model}: NDCG@10 {result['variants'][model]['test']['ndcg@10']:.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
