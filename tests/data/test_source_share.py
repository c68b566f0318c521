"""source_share: a smaller pre-training corpus."""

import numpy as np
import pytest

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.domains import load_domains, share_of_users, source_events
from recbole_idp.errors import UserError
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.testing.toy import settings


def configured(folder, **changes):
    return StrictConfig("IDP", "shop", config_dict=settings(folder, **changes))


def of(domains, share):
    return source_events(configured(domains, source_share=share))


def events(part):
    users, items = np.asarray(part.user_tokens)[part.users], np.asarray(part.item_tokens)[part.items]
    return set(zip(users.tolist(), items.tolist(), part.times.tolist(), strict=True))


def test_a_share_has_the_whole_histories_of_some_users_and_their_items_alone(domains):
    for whole, half, quarter in zip(of(domains, 1.0), of(domains, 0.5), of(domains, 0.25), strict=True):
        users = {user for user, _, _ in events(half)}
        assert len(users) == round(0.5 * len(np.unique(whole.users)))
        assert events(half) == {event for event in events(whole) if event[0] in users}
        assert events(quarter) < events(half)
        assert set(np.unique(half.items)) == set(range(1, len(half.item_tokens)))
        assert half.item_tokens[0] == whole.item_tokens[0]


def test_a_whole_domain_is_left_as_it_is(domains):
    part = of(domains, 1.0)[0]
    assert share_of_users(part, 1.0) is part


def test_domains_are_joined_with_fewer_items(domains):
    whole, part = (load_domains(configured(domains, source_share=share)) for share in (1.0, 0.2))
    assert part.sequences.n_events < whole.sequences.n_events
    assert len(part.item_tokens) == len(part.item_domain) <= len(whole.item_tokens)
    assert int(part.sequences.items.max()) == len(part.item_tokens) - 1


def test_a_share_is_pre_trained_apart(domains):
    bundles = [find_or_pretrain(configured(domains, source_share=share)) for share in (1.0, 0.5)]
    whole, half = (sum(domain["interactions"] for domain in bundle.description["domains"]) for bundle in bundles)
    assert half < whole and bundles[0].folder != bundles[1].folder


@pytest.mark.parametrize("share", [0, 1.5])
def test_no_share_is_refused_in_one_line(domains, share):
    with pytest.raises(UserError, match="source_share"):
        configured(domains, source_share=share)
