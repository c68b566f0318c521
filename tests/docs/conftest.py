"""A folder in which the commands of README and documentation can be run as they stand: their names, at toy size."""

import gzip
import json
import shutil

import pytest
import yaml

from attacks.logs import FORMATS
from recbole_idp.cli.main import main
from recbole_idp.testing.toy import TINY, title, write_dataset
from tests.support.boards import leaderboard

DATASETS = ("Health", "Clothing", "Beauty", "Toys", "Electronics", "Office", "Arts", "NAME", "ml-1m", "ml-100k")
# Those of users in several domains, and of their profiles.
DATASETS += ("CrossKitchen", "CrossFood", "ML100K")
# Their users are the same people.
SAME_PEOPLE = ("Beauty", "Toys", "Office", "CrossKitchen", "CrossFood")
# Users' and items' ids that the pages name.
NAMES = {"Officei0": "B000J05GKA", "Officei1": "B004ZOT5KS", "Officeu0": "USER"}
# Keys that a model without an encoder does not know.
ENCODER = ("hidden_size", "inner_size", "n_layers", "hidden_dropout_prob", "attn_dropout_prob")
# What PRECISE has besides.
PRECISE = {"semantic_size": 8, "token_count": 2, "token_width": 4, "targeted_length": 6, "head_size": 32}
PRECISE.update(pretrain_epoch_steps=2, warm_up_test_events=50)
# The packaged platforms are larger than the toys: a larger batch is a pass of a second, and not of half a minute.
SETTINGS = {**TINY, "pretrain_batch_size": 2048, "topk": [1, 5, 10]}
OFFICE = ["--data_path=DIR", "--dataset=Office"]


@pytest.fixture(scope="session")
def toy_template(tmp_path_factory):
    """Writes toy data, settings, a bundle and a model under the names that the pages use; returns the folder."""
    place = tmp_path_factory.mktemp("docs") / "place"
    for seed, name in enumerate(DATASETS):
        write_dataset(place / "DIR", name, 30, n_items=16, prefix=name, seed=seed)
        _complete(place / "DIR" / name / f"{name}.inter")
        _complete(place / "DIR" / name / f"{name}.item")
    (place / "toy.yaml").write_text(yaml.safe_dump(SETTINGS))
    (place / "general.yaml").write_text(yaml.safe_dump({key: SETTINGS[key] for key in SETTINGS if key not in ENCODER}))
    (place / "precise.yaml").write_text(yaml.safe_dump(PRECISE))
    (place / "users.tsv").write_text("one\tB000J05GKA B004ZOT5KS\ntwo\tOfficei3\n")
    (place / "new.item").write_text(f"item_id:token\ttitle:token_seq\nnew1\t{title(20)}\n")
    (place / "BOARD.json").write_text(json.dumps(leaderboard()))
    for name in ("ml-1m", "ML100K"):
        rows = [f"{name}u{number}\t{(18, 25, 35)[number % 3]}\t{'FM'[number % 2]}\n" for number in range(30)]
        users = "".join(["user_id:token\tage:token\tgender:token\n", *rows])
        (place / "DIR" / name / f"{name}.user").write_text(users)
    _write_amazon(place)
    _write_tenrec_and_peterrec(place)
    _write_platforms(place)
    _write_logs(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["run", *OFFICE, "--config_files=toy.yaml", "--variants=fine_tune", "--trained_dir=office"]) == 0
        (bundle,) = (place / "saved").glob("pretrain-*")
        bundle.rename(place / "BUNDLE")
    return place


@pytest.fixture(scope="session")
def folders_of_other_models(toy_template):
    """Adds to the template the folders that the pages name, but the README."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(toy_template)
        joined = ["--source_domains=Beauty,Toys", "--shared_users=[[Office, Beauty, Toys]]", "--predicts=cold_item"]
        assert main(["run", *OFFICE, *joined, "--model=Conure", "--config_files=toy.yaml", "--variants=learn"]) == 0
        (conure,) = (toy_template / "saved").glob("conure-Office-*")
        conure.rename(toy_template / "CONURE")
        precise = ["--model=PRECISE_TT", "--config_files=toy.yaml precise.yaml", "--trained_dir=PRECISE_FOLDER"]
        assert main(["run", *OFFICE, *precise]) == 0


@pytest.fixture
def toy_place(toy_template, tmp_path, monkeypatch):
    """Copies the template into a folder of this test, and makes that the current one."""
    place = shutil.copytree(toy_template, tmp_path / "place")
    monkeypatch.chdir(place)
    return place


def _complete(path):
    """Renames what the pages name, and adds to interactions real timestamps, one user after another, and ratings."""
    lines = path.read_text().splitlines()
    if path.suffix == ".inter":
        rows = [line.split("\t") for line in lines[1:]]
        if path.stem in SAME_PEOPLE:
            rows = [[NAMES.get(row[0], row[0].removeprefix(path.stem)), *row[1:]] for row in rows]
        rows = [[*row[:2], str(1_000_000 + 60 * i), str(3 + i % 3)] for i, row in enumerate(rows)]
        lines = [f"{lines[0]}\trating:float", *("\t".join(row) for row in rows)]
    path.write_text("".join("\t".join(NAMES.get(value, value) for value in line.split("\t")) + "\n" for line in lines))


def _write_amazon(place):
    """Writes raw reviews and metadata as Amazon's release of 2014 has them; each user reviews all items."""
    reviews = [
        {"reviewerID": f"A{user}", "asin": f"B{item}", "overall": 4.0, "unixReviewTime": 1_300_000_000 + item}
        for user in range(6)
        for item in range(6)
    ]
    items = [{"asin": f"B{item}", "title": title(item)} for item in range(6)]
    for name, rows in {"Office_Products": reviews, "meta_Office_Products": items}.items():
        with gzip.open(place / f"{name}.json.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def _write_tenrec_and_peterrec(place):
    """Writes small files in the forms of Tenrec, PeterRec and Conure."""
    columns = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age"
    rows = [f"{user},{item},1,0,{item % 2},0,1,1,1,3" for user in range(4) for item in range(6)]
    for name in ("QK-video.csv", "cold_data.csv"):
        (place / name).write_text("\n".join([columns, *rows]) + "\n")
    histories = [f"0,0,{user + 1},{user + 2},{user + 3}" for user in range(4)]
    for name, ending in {"source.csv": "", "coldrec.csv": ",,7,8", "age.csv": ",,2"}.items():
        (place / name).write_text("".join(f"{history}{ending}\n" for history in histories))


def _write_platforms(place):
    """Writes small files in the forms of MovieLens, Yelp, Steam, Goodreads and H&M, and tables of a shop."""
    users, items = range(1, 4), range(1, 4)
    pairs = [(user, item) for user in users for item in items]
    orders = [f"c{user},p{item},2013-05-0{item}" for user in range(1, 9) for item in range(1, 7)]
    added = "Mon Aug 01 13:41:57 -0700 2011"
    lines = {
        "orders.csv": ["customer,sku,bought_at", *orders],
        **{f"titles/p{item}.txt": [title(item)] for item in range(1, 7)},
        "products.csv": ["sku,name,maker", *(f"p{item},{title(item)},Acme" for item in items)],
        "ml-1m/ratings.dat": [f"{user}::{item}::5::97830000{item}" for user, item in pairs],
        "ml-1m/movies.dat": [f"{item}::{title(item)}::Drama" for item in items],
        "yelp/yelp_academic_dataset_review.json": [
            json.dumps({"user_id": f"u{user}", "business_id": f"b{item}", "stars": 4, "date": "2018-07-07 22:09:11"})
            for user, item in pairs
        ],
        "yelp/yelp_academic_dataset_business.json": [
            json.dumps({"business_id": f"b{item}", "name": title(item), "categories": "Food"}) for item in items
        ],
        "steam_reviews.json.gz": [
            repr({"username": f"u{user}", "product_id": str(item), "date": "2017-12-17"}) for user, item in pairs
        ],
        "steam_games.json.gz": [repr({"id": str(item), "app_name": title(item)}) for item in items],
        "goodreads_interactions_dedup.json.gz": [
            json.dumps({"user_id": str(user), "book_id": str(item), "rating": 4, "date_added": added})
            for user, item in pairs
        ],
        "goodreads_books.json.gz": [json.dumps({"book_id": str(item), "title": title(item)}) for item in items],
        "hm/transactions_train.csv": [
            "t_dat,customer_id,article_id",
            *(f"2018-09-2{item},u{user},066371300{item}" for user, item in pairs),
        ],
        "hm/articles.csv": ["article_id,prod_name", *(f"066371300{item},{title(item)}" for item in items)],
    }
    for name, rows in lines.items():
        (place / name).parent.mkdir(exist_ok=True)
        data = "".join(f"{row}\n" for row in rows).encode()
        (place / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def _write_logs(place):
    """Writes small files in the forms of NineRec, PixelRec, MIND, Adressa and TransRec."""
    files = {
        "KU_pair.csv": FORMATS["ninerec"].events,
        "KU_item.csv": FORMATS["ninerec"].items,
        "Pixel200K.csv": b"item_id,user_id,timestamp\n" + b"".join(b"i12,u1,16%08d\n" % place for place in range(6)),
        "Pixel200K_info.csv": FORMATS["pixelrec"].items,
        "behaviors.tsv": FORMATS["mind"].events,
        "news.tsv": FORMATS["mind"].items,
        "one_week/20170101": FORMATS["adressa"].events,
        "sequences.txt": FORMATS["transrec"].events,
        "articles.txt": FORMATS["transrec"].items,
        "KU_cover/v17.jpg": b"a picture",
        "cover/i12.jpg": b"a picture",
    }
    for name, content in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)
