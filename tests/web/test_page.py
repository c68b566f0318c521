"""The page, in headless Chromium: by keyboard, by mouse, on a phone, and with titles that would be markup."""

import re
import threading

import pytest

from tests.support.browser import chromium
from tests.support.large import large_model
from tests.support.web_app import ITEMS
from tests.web.test_posters import PNG

MARKUP = '<img src=x onerror="window.struck = 1"><b>pen</b>'


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serves a model in a thread; returns its address."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from recbole_idp.web.app import make_app
    from recbole_idp.web.catalogue import Catalogue
    from recbole_idp.web.posters import Posters
    from recbole_idp.web.server import listening

    folder = tmp_path_factory.mktemp("shop")
    (folder / "one.png").write_bytes(PNG)
    rows = "\n".join(f"i{number}\tone.png" for number in range(1, ITEMS + 1))
    (folder / "shop.item").write_text(f"item_id:token\tposter:token\n{rows}\n")
    trained = large_model(ITEMS, width=16, length=10)
    trained.titles[41] = MARKUP
    trained.source_items.items[0] = trained.source_items.items[0]._replace(title=MARKUP)
    app = make_app(Catalogue(trained.recommender(), Posters(trained, folder / "shop.item", None)))
    with listening("127.0.0.1", 0) as socket:
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [socket]})
        thread.start()
        yield f"http://127.0.0.1:{socket.getsockname()[1]}/"
        running.should_exit = True
        thread.join()


@pytest.fixture
def page(browser, address):
    """The page, which may ask this server alone, log no error, and break no rule of its policy."""
    said, asked = [], []
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#facts:has-text('60 items')")
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith(address)] == []
    context.close()


def titles(page, where):
    return page.locator(f"{where} > li .title:not(.match .title)").all_text_contents()


def recommended(page, after):
    """Waits for the answer after a history of so many items."""
    words = "one item" if after == 1 else f"{after} items"
    page.wait_for_selector(f"#status:has-text('after a history of {words}')")
    page.wait_for_selector("#recommended:not(.waiting) .card")


def test_a_history_is_built_by_keyboard(page):
    page.keyboard.press("/")
    box = page.get_by_role("combobox")
    assert box.evaluate("element => element === document.activeElement")
    box.type("old em")
    page.wait_for_selector("#options [role=option]")
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    recommended(page, after=1)
    assert titles(page, "#history") == ["emerald old red pen, no. 40"]
    assert box.get_attribute("aria-expanded") == "false" and box.input_value() == ""
    box.type("i7")
    page.wait_for_selector("#options [role=option]")
    page.keyboard.press("Enter")
    recommended(page, after=2)
    assert page.url.endswith("#i40,i7")
    # From the box to the first button that does something.
    for _ in range(1):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Move down: emerald")
    page.keyboard.press("Enter")
    page.wait_for_url("**/#i7,i40")
    assert titles(page, "#history")[1] == "emerald old red pen, no. 40"
    # Where the focus stays with what was moved, though it cannot be moved further.
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove: emerald old red pen, no. 40"
    page.keyboard.press("Enter")
    recommended(page, after=1)
    assert titles(page, "#history") == ["hazel folding red pen, no. 7"]


@pytest.mark.slow
def test_escape_and_a_query_without_an_answer_close_and_say_so(page):
    box = page.get_by_role("combobox")
    box.type("pen")
    page.wait_for_selector("#options [role=option]")
    page.keyboard.press("ArrowUp")
    assert box.get_attribute("aria-activedescendant") == "option-11"
    page.keyboard.press("Escape")
    assert page.locator("#options").is_hidden() and box.input_value() == "pen"
    page.keyboard.press("Escape")
    assert box.input_value() == ""
    box.type("zzz")
    page.wait_for_selector("#options .none")
    page.keyboard.press("Enter")
    assert titles(page, "#history") == []


def test_what_is_recommended_shows_what_it_was_generated_from_and_joins_the_history_by_a_click(page, address):
    page.goto(f"{address}#i3,unheard,i7")
    recommended(page, after=2)
    first = page.locator("#recommended .card").first
    assert first.locator(".first .match").count() == 3 and first.locator(".rest .match").count() == 7
    assert re.fullmatch(r"\d+ %|< 1 %", first.locator(".weight").first.text_content())
    assert first.locator(".domain").first.text_content() in ("pens", "lamps")
    assert not first.locator(".shares").is_visible()
    first.locator("summary").click()
    assert "Of the embedding, " in first.locator(".shares").text_content()
    name = first.locator("h3").text_content()
    first.get_by_role("button", name="Add to the history").click()
    recommended(page, after=3)
    assert titles(page, "#history")[-1] == name
    assert page.locator("#recommended .card").count() == 10
    page.get_by_role("button", name="Show more").click()
    page.wait_for_selector("#recommended .card:nth-child(40)")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_selector("#empty:visible")
    assert page.locator("#recommended .card").count() == 0


@pytest.mark.slow
def test_an_example_is_a_start(page):
    page.get_by_role("button", name="Take an example").click()
    recommended(page, after=3)
    assert len(titles(page, "#history")) == 3


@pytest.mark.slow
def test_posters_are_shown(page, address):
    page.goto(f"{address}#i3")
    recommended(page, after=1)
    page.wait_for_function("document.querySelectorAll('.poster img:not([hidden])').length === 10")


def test_titles_are_never_markup(page, address):
    page.goto(f"{address}#i42")
    recommended(page, after=1)
    assert titles(page, "#history") == [MARKUP]
    page.get_by_role("combobox").type("img src")
    page.wait_for_selector("#options [role=option]")
    assert page.locator("#options .title").first.text_content() == MARKUP
    page.goto(f"{address}#i1,%3Cimg%20src=x%3E")
    recommended(page, after=1)
    assert page.evaluate("window.struck") is None
    assert page.locator("main b").count() == 0
    assert page.locator("main img:not(.poster img)").count() == 0


@pytest.mark.slow
def test_dark_and_light_follow_the_system_or_a_choice(page):
    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.emulate_media(color_scheme="light")
    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert light != dark
    page.get_by_role("button", name="Theme: system").click()
    assert background() == light
    page.reload()
    assert background() == light
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    assert background() == dark


@pytest.mark.slow
def test_nothing_is_wider_than_a_phone(page, address):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}#i3,i42")
    recommended(page, after=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(page, address, scheme):
    """The contrast of text and background is 4.5 or more (WCAG 2.2, 1.4.3)."""
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}#i3,i7")
    recommended(page, after=2)
    found = page.evaluate(_CONTRASTS)
    assert len(found) > 30
    assert [row for row in found if row[1] < 4.5] == []


_CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => numbers(colour).slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
  };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  return [...document.querySelectorAll("body *")]
    .filter((element) => own(element) && element.checkVisibility() && !element.closest(":disabled"))
    .map((element) => {
      const [a, b] = [getComputedStyle(element).color, behind(element)].map(luminance);
      return [element.textContent.slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""
