"""The interface for programs: the recommender's own answers, searches, and one line of JSON for each mistake."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from recbole_idp.data.item_names import HistoryItem
from tests.support.large import large_model
from tests.support.web_app import ITEMS, client_of, refusal, small_client

HISTORY = ["i3", "i7", "i11"]


@pytest.fixture(scope="module")
def trained():
    return large_model(ITEMS, width=16, length=10)


@pytest.fixture(scope="module")
def client():
    with small_client() as client:
        yield client


def ask(client, **question):
    return client.post("/recommend", json=question)


def sent(client, body):
    return client.post("/recommend", content=body, headers={"content-type": "application/json"})


def test_it_recommends_what_the_recommender_does(client, trained):
    histories = [HISTORY, ["i1"], ["i5", "unheard of", "i9"], ["unheard of"], []]
    answers = ask(client, histories=histories, k=4).json()["answers"]
    expected = trained.recommender().recommend(histories, k=4)
    for answer, items in zip(answers, expected, strict=True):
        assert [(item["item"], item["title"]) for item in answer["items"]] == [one[:2] for one in items]
        assert [item["score"] for item in answer["items"]] == pytest.approx([one.score for one in items], rel=1e-5)
        assert all(item["generated_from"] is None for item in answer["items"])
    assert [answer["unknown"] for answer in answers] == [[], [], ["unheard of"], ["unheard of"], []]
    assert len(answers[0]["items"]) == 4 and answers[3]["items"] == answers[4]["items"] == []
    (alone,) = ask(client, history=HISTORY, k=4).json()["answers"]
    assert [item["item"] for item in alone["items"]] == [item["item"] for item in answers[0]["items"]]


def test_items_of_the_history_are_left_out_unless_they_are_wanted(client):
    def found(**how):
        return {item["item"] for item in ask(client, history=HISTORY, k=ITEMS, **how).json()["answers"][0]["items"]}

    every = {f"i{number}" for number in range(1, ITEMS + 1)}
    assert found() == every - set(HISTORY)
    assert found(exclude_seen=False) == every


def test_concurrent_requests_get_their_own_answers(client, trained):
    questions = [{"history": [f"i{n % 50 + 1}", f"i{n % 7 + 1}"], "k": n % 9 + 1} for n in range(80)]
    for question in questions[::5]:
        question["exclude_seen"] = False
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda question: ask(client, **question).json()["answers"][0], questions))
    recommender = trained.recommender()
    for question, answer in zip(questions, found, strict=True):
        exclude_seen = question.get("exclude_seen", True)
        (expected,) = recommender.recommend([question["history"]], question["k"], exclude_seen)
        assert [item["item"] for item in answer["items"]] == [one.item for one in expected]


def test_it_says_what_items_were_generated_from(client, trained):
    (answer,) = ask(client, history=HISTORY, k=3, explain=True).json()["answers"]
    for item in answer["items"]:
        origin, number = item["generated_from"], int(item["item"][1:])
        weights = [match["weight"] for match in origin["matches"]]
        assert sum(weights) == pytest.approx(1) and weights == sorted(weights, reverse=True)
        assert origin["share"] + origin["share_of_map"] + origin["share_of_own_texts"] == pytest.approx(1)
        rows = trained.transfer["items"][number - 1].tolist()
        assert {match["item"] for match in origin["matches"]} == {f"s{row}" for row in rows}
        best = origin["matches"][0]
        assert best["similarity"] == pytest.approx(float(trained.transfer["similarities"][number - 1].max()))
        assert origin["share"] <= best["similarity"] ** 16 + 1e-6


def test_a_folder_that_was_made_before_names_were_kept_explains_nothing():
    def older(trained):
        trained.source_items = None

    with small_client(older) as client:
        assert client.get("/health").json()["generated"] is False
        (answer,) = ask(client, history=HISTORY, explain=True).json()["answers"]
        assert len(answer["items"]) == 10
        assert all(item["generated_from"] is None for item in answer["items"])


def test_items_are_found_by_title_and_id_and_listed(client):
    def found(**asked):
        return [item["item"] for item in client.get("/items", params=asked).json()["items"]]

    assert found(query="black folding red pen, no. 1")[0] == "i1"
    assert found(query="i42")[0] == "i42"
    assert found(query="old PEN emer") == ["i40"]
    assert found(query="no such thing") == []
    assert found(offset=2, limit=3) == ["i3", "i4", "i5"]
    assert found(offset=10**12) == []
    assert found(item=["i9", "nothing", "i2"]) == ["i9", "i2"]
    assert client.get("/items").json()["total"] == ITEMS


def test_similar_items_are_the_nearest_by_cosine(client, trained):
    vectors = trained.candidate_vectors
    cosines = vectors[5] @ vectors.T / (vectors.norm(dim=1) * vectors[5].norm())
    cosines[[0, 5]] = -2
    found = client.get("/similar", params={"item": "i5", "k": 3}).json()["items"]
    assert [item["item"] for item in found] == [f"i{number}" for number in cosines.topk(3).indices.tolist()]
    assert [item["score"] for item in found] == pytest.approx(cosines.topk(3).values.tolist(), abs=1e-5)
    assert len(client.get("/similar", params={"item": "i5", "k": 1000}).json()["items"]) == ITEMS - 1
    assert "does not know" in refusal(client.get("/similar", params={"item": "nothing"}), 404)


def test_items_of_other_domains_stand_in_histories_alone():
    import torch

    def joined(trained):
        trained.history_items = [HistoryItem("books", "b1"), HistoryItem("books", "b2")]
        trained.item_vectors = torch.cat([trained.item_vectors, torch.ones(2, 16)])
        trained.candidate_vectors = trained.item_vectors[: ITEMS + 1]
        trained.description["reads_own"] = False

    with small_client(joined) as client:
        about = client.get("/health").json()
        assert about["other_domains"] == ["books"] and about["reads_own"] is False
        (found,) = client.get("/items", params={"query": "books:b2"}).json()["items"]
        assert found == {"item": "books:b2", "title": "", "poster": False, "read": True}
        assert client.get("/items", params={"item": "i1"}).json()["items"][0]["read"] is False
        own, others = ask(client, histories=[["i1"], ["books:b1"]]).json()["answers"]
        assert own == {"items": [], "unknown": []}
        assert len(others["items"]) == 10 and all(item["item"].startswith("i") for item in others["items"])
        assert "no vector" in refusal(client.get("/similar", params={"item": "books:b1"}), 404)


def test_health_and_the_description_of_the_interface(client):
    about = client.get("/health").json()
    assert about["status"] == "ok" and about["model"] == "IDP" and about["items"] == ITEMS
    assert about["sources"] == ["pens", "lamps"] and about["generated"] and about["similar"] and about["posters"] == 0
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/recommend", "/items", "/similar", "/poster", "/health"}
    assert client.get("/docs").status_code == 404  # it would fetch scripts from elsewhere


def test_browsers_are_told_to_run_nothing_else(client):
    for path in ("/", "/health", "/static/page.js", "/none", "/items?limit=0"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    page = client.get("/").text
    assert "http:" not in page and "https:" not in page and "style=" not in page and "<script>" not in page


MISTAKES = {
    "no history": ({}, "give either history"),
    "both kinds": ({"history": ["i1"], "histories": [["i1"]]}, "give either history"),
    "no list": ({"history": "i1"}, "history"),
    "a number": ({"history": [1]}, "history.0"),
    "nothing": ({"history": [None]}, "history.0"),
    "a long history": ({"history": ["i1"] * 100_000}, "at most 1000 items"),
    "many histories": ({"histories": [["i1"]] * 257}, "at most 256 items"),
    "a long id": ({"history": ["x" * 501]}, "at most 500 characters"),
    "no items wanted": ({"history": ["i1"], "k": 0}, "k: "),
    "too many items": ({"history": ["i1"], "k": 1001}, "k: "),
    "too many in all": ({"histories": [["i1"]] * 100, "k": 1000}, "at most 20,000"),
    "a truth for a number": ({"history": ["i1"], "k": True}, "k: "),
    "a fraction": ({"history": ["i1"], "k": 1.5}, "k: "),
    "an unknown key": ({"history": ["i1"], "topk": 5}, "topk: "),
    "a list": ([], "the body: "),
}


@pytest.mark.parametrize(("question", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_question_is_refused_in_one_line(client, question, says):
    assert says in refusal(sent(client, json.dumps(question)), 422)


BODIES = {
    "nothing": (b"", 422),
    "no JSON": (b"history=i1", 422),
    "no text": (b"\xff\xfe", (400, 422)),
    "not a number": (b'{"history": ["i1"], "k": NaN}', 422),
    "infinity": (b'{"history": ["i1"], "k": 1e999}', 422),
    "not a number for an id": (b'{"history": [NaN]}', 422),
    "half a pair": (b'{"history": ["\\ud800"]}', 422),
    "depth": (b"[" * 500_000, (400, 422)),
    "too long": (b'{"history": ["' + b"x" * (1 << 20) + b'"]}', 413),
}


@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_question_is_refused(client, body, status):
    refusal(sent(client, body), status)


def test_a_question_that_is_not_called_json_is_refused(client):
    body = b'{"history": ["i1"]}'
    assert "application/json" in refusal(client.post("/recommend", content=body, headers={"content-type": "a/b"}), 415)


def test_a_body_of_unknown_length_is_read_no_further_than_it_may_be_long(client):
    read = []

    def parts():
        for _ in range(64):
            read.append(1)
            yield b"x" * (1 << 16)

    assert "more than 1,048,576 bytes" in refusal(client.post("/recommend", content=parts()), 413)


def test_other_mistakes_are_refused_in_one_line(client):
    assert "200 characters" in refusal(client.get("/items", params={"query": "x" * 1000}), 422)
    assert "limit: " in refusal(client.get("/items", params={"limit": 101}), 422)
    assert "offset: " in refusal(client.get("/items", params={"offset": -1}), 422)
    assert "item" in refusal(client.get("/similar"), 422)
    assert "k: " in refusal(client.get("/similar", params={"item": "i1", "k": "NaN"}), 422)
    refusal(client.get("/nowhere"), 404)
    refusal(client.get("/recommend"), 405)
    refusal(client.get("/static/../app.py"), 404)
    refusal(client.get("/static/%2e%2e/app.py"), 404)
    refusal(client.get("/static/..%2fapp.py"), 404)


@pytest.mark.parametrize(
    "query", ['"', '" OR "', "*", "^", "a\0b", "NEAR(a b)", "(", "'; DROP TABLE titles", "é" * 200]
)
def test_no_query_is_a_command_of_the_index(client, query):
    assert client.get("/items", params={"query": query}).status_code == 200
    assert client.get("/items", params={"query": "pen"}).json()["items"]


def test_titles_stay_what_they_are(client):
    title = '<img src=x onerror="alert(1)">\u2028</script>&amp;'

    def marked(trained):
        trained.titles[2] = title

    with small_client(marked) as other:
        answer = other.get("/items", params={"query": "img src"})
        assert answer.json()["items"][0]["title"] == title
        assert answer.headers["content-type"] == "application/json"


def test_a_client_that_asks_too_often_has_to_wait():
    with small_client(rate=2) as client:
        statuses = [client.get("/health").status_code for _ in range(12)]
        assert statuses[:4] == [200] * 4 and statuses[-1] == 429
        answer = client.get("/health")
        assert "too many requests" in refusal(answer, 429)
        assert int(answer.headers["retry-after"]) >= 1


def test_a_name_from_elsewhere_is_refused():
    with small_client(hosts=("localhost", "127.0.0.1", "::1")) as client:
        for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
            assert client.get("/health", headers={"host": host}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", "", "[", "127.0.0.1@evil.example"):
            assert "ask it by that name" in refusal(client.get("/health", headers={"host": host}), 421)


def test_an_error_of_the_model_is_one_line_and_the_server_goes_on(trained):
    recommender = trained.recommender()
    rank, fails = recommender.rank, [True]

    def failing(*arguments):
        if fails.pop():
            raise RuntimeError("secret")
        fails.append(False)
        return rank(*arguments)

    recommender.rank = failing
    fails[:] = [False, True]

    class Opened:
        def recommender(self):
            return recommender

    with client_of(Opened()) as client:
        line = refusal(ask(client, history=HISTORY), 500)
        assert "secret" not in line
        assert ask(client, history=HISTORY).status_code == 200
