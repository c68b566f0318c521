"""Decoding that names items only: the trie, exact scores, and beams."""

import pytest
import torch

from recbole_idp.models.p5.network import END, PAD, NetworkSizes, P5Network
from recbole_idp.models.p5.trie import ItemTrie, score_exactly, search_beams

ANSWERS = [[5], [5, 6], [5, 7], [8, 6], [8, 6, 5], [9], [7, 7], [5, 6, 9]]
SIZES = NetworkSizes(vocabulary=12, width=16, inner=24, key=8, layers=2, heads=2)


@pytest.fixture(scope="module")
def asked():
    """A network with random weights, and two prompts of which one is padded."""
    torch.manual_seed(3)
    network = P5Network(SIZES).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    pieces = torch.tensor([[5, 6, 7, 8, END], [9, 4, END, PAD, PAD]])
    words = torch.tensor([[1, 1, 2, 3, 0], [1, 2, 0, 0, 0]])
    return network, pieces, words


def slow_scores(network, pieces, words, answers):
    """Returns the log-probability of each answer with its end, one at a time."""
    found = torch.full((len(pieces), len(answers) + 1), -torch.inf)
    for item, answer in enumerate(answers, 1):
        for row in range(len(pieces)):
            length = int((pieces[row] != PAD).sum())
            rows = (part[row : row + 1, :length] for part in (pieces, words))
            found[row, item] = network.log_likelihood(*rows, torch.tensor([[*answer, END]])).detach()
    return found


def test_common_beginnings_are_kept_once():
    trie = ItemTrie(ANSWERS)
    assert [len(level.pieces) for level in trie.levels] == [1, 4, 4, 2]
    assert trie.n_beginnings == 11
    assert sorted(int(item) for level in trie.levels for item in level.items if item) == list(range(1, 9))


def test_two_items_of_one_answer_are_refused():
    for answers in ([[5], [5]], [[5], []]):
        with pytest.raises(ValueError, match="the same, or one is empty"):
            ItemTrie(answers)


def test_exact_scores_are_the_log_probabilities_of_whole_answers(asked):
    expected = slow_scores(*asked, ANSWERS)
    torch.testing.assert_close(score_exactly(*asked, ItemTrie(ANSWERS)), expected)


def test_as_many_beams_as_items_find_what_exact_scores_find(asked):
    exact = score_exactly(*asked, ItemTrie(ANSWERS))
    for beams in (8, 50):
        items, scores = search_beams(*asked, ItemTrie(ANSWERS), beams)
        values, order = exact.topk(8, 1)
        torch.testing.assert_close(scores, values)
        assert torch.equal(items, order)


def test_few_beams_find_items_only_each_once_with_their_exact_scores(asked):
    exact = score_exactly(*asked, ItemTrie(ANSWERS))
    for beams in (1, 2, 3, 5):
        items, scores = search_beams(*asked, ItemTrie(ANSWERS), beams)
        assert items.shape == (2, beams)
        for row, found in enumerate(items.tolist()):
            real = [item for item in found if item]
            assert len(set(real)) == len(real) and real
            torch.testing.assert_close(scores[row, : len(real)], exact[row, real])
        assert (scores.diff(dim=1).nan_to_num(nan=-1.0) <= 0).all()


def test_excluded_items_are_no_answers(asked):
    excluded = torch.tensor([[1, 5], [3, 0]])
    items, scores = search_beams(*asked, ItemTrie(ANSWERS), 50, excluded)
    exact = score_exactly(*asked, ItemTrie(ANSWERS)).scatter(1, excluded, -torch.inf)
    values, order = exact.topk(8, 1)
    torch.testing.assert_close(scores, values)
    assert torch.equal(items, order.masked_fill(values == -torch.inf, 0))
