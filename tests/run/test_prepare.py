"""What the fingerprint of a run covers: all files that training on the target reads, for runs and for leaderboards."""

import pytest

from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.run.prepare import data_fingerprint, read_fingerprint
from recbole_idp.testing import configured
from recbole_idp.testing.toy import settings
from tests.support.commands import options
from tests.support.people import JOINED, write_people
from tests.support.pictures import write_picture, write_pictured_domains

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture
def people(workplace):
    return write_people(workplace / "data")


def fingerprints(folder, model, **changes):
    """Returns what a run and a job of a leaderboard are known by."""
    config = configured(folder, model, "films", source_domains=["books"], **changes)
    dataset = make_dataset(config)
    read = read_fingerprint(dataset, data_fingerprint(dataset))
    return read, job_of(folder, model, "films", source_domains=["books"], **changes)


def job_of(folder, model, dataset="shop", **changes):
    """Returns what a job of a leaderboard is known by."""
    values = {**settings(folder, **changes), "model": model, "dataset": dataset}
    given = dict(part.removeprefix("--").split("=", 1) for part in options(values))
    (job,) = make_plan(given).jobs()
    return job.fingerprint


def changed_by_books(folder, model, **changes):
    """Returns whether the content of the books decides on each of the two fingerprints."""
    path = folder / "books" / "books.inter"
    content = path.read_text()
    before = fingerprints(folder, model, **changes)
    assert before == fingerprints(folder, model, **changes)
    path.write_text(content + "u99\tb0\t5000\n")

    after = fingerprints(folder, model, **changes)
    path.write_text(content)
    return tuple(old != new for old, new in zip(before, after, strict=True))


def test_a_model_that_is_trained_on_sources_as_well_is_known_by_their_content(people):
    assert changed_by_books(people, "DACDR") == (True, True)
    # A folder that is given stands for no source here: DACDR reads these in any case.
    assert changed_by_books(people, "DACDR", pretrained=str(people)) == (True, True)
    assert changed_by_books(people, "PositionSASRec") == (False, False)


def test_joined_domains_count_by_their_content(people):
    assert changed_by_books(people, "PositionSASRec", shared_users=JOINED["shared_users"]) == (True, True)


def test_pictures_count_by_their_content(workplace, vit):
    folder = write_pictured_domains(workplace / "data")
    options = {"content": "image", "image_encoder": vit}
    names = {"MoRec": options, "TransRec_MoM": {"modality": "mixed", "image_encoder": vit}, "TCF": {}}

    def found():
        plans = {}
        for model, changes in names.items():
            config = configured(folder, model, "shop", **changes)
            dataset = make_dataset(config)
            plans[model] = read_fingerprint(dataset, data_fingerprint(dataset)), job_of(folder, model, **changes)
        return plans

    before = found()
    assert before == found()
    write_picture(folder / "shop" / "posters" / "3.png", 99)
    after = found()
    changed = {model: [old != new for old, new in zip(before[model], after[model], strict=True)] for model in names}
    assert changed == {"MoRec": [True, True], "TransRec_MoM": [True, True], "TCF": [False, False]}
