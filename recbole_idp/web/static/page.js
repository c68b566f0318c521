// The page: search titles, build a history, see what comes next and what it was made from.
// Titles and ids are data: they are set as text, never as markup.

const SHOWN = 10;
const MORE = 40;
const OPTIONS = 12;
const TYPING_MS = 120;
const FIRST_MATCHES = 3;
const PALETTE = 6;

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const percent = (share) => (share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`);

let about = null;
let history = []; // {item, title, read}, the latest last
let count = SHOWN;
const domains = new Map(); // name -> number of its colour

// ---- asking the server

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is it still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error || `The server answered ${answer.status}.`);
  return content;
}

// Each kind of question has one answer that counts: that to the latest.
class Latest {
  #running = null;

  ask(path, options = {}) {
    this.stop();
    this.#running = new AbortController();
    return ask(path, { ...options, signal: this.#running.signal });
  }

  stop() {
    this.#running?.abort();
  }
}

const searches = new Latest();
const recommendations = new Latest();

function showProblem(error) {
  if (error?.name === "AbortError") return;
  $("problem").hidden = !error;
  $("problem").textContent = error ? error.message : "";
}

// ---- making elements of data

function made(template, texts) {
  const element = $(template).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(texts)) element.querySelector(`.${name}`).textContent = text;
  return element;
}

const label = (item) => item.title || item.item;

function colourOf(domain) {
  if (!domains.has(domain)) domains.set(domain, domains.size % PALETTE);
  return `colour-${domains.get(domain)}`;
}

// ---- the search: a combobox with a list of options

const search = { found: [], active: -1, timer: 0 };

function showOptions(found) {
  search.found = found;
  search.active = -1;
  const list = $("options");
  list.replaceChildren(
    ...found.map((item, place) => {
      const option = made("option-template", { title: label(item), id: item.title ? item.item : "" });
      option.id = `option-${place}`;
      option.setAttribute("aria-selected", "false");
      return option;
    }),
  );
  if (!found.length && $("query").value.trim()) {
    const none = document.createElement("li");
    none.className = "none";
    none.textContent = "No title or id begins like this.";
    list.append(none);
  }
  const open = list.childElementCount > 0;
  list.hidden = !open;
  $("query").setAttribute("aria-expanded", String(open));
  $("query").removeAttribute("aria-activedescendant");
}

function closeOptions() {
  clearTimeout(search.timer);
  search.found = [];
  search.active = -1;
  $("options").hidden = true;
  $("options").replaceChildren();
  $("query").setAttribute("aria-expanded", "false");
  $("query").removeAttribute("aria-activedescendant");
}

function activate(place) {
  const options = [...$("options").querySelectorAll("[role=option]")];
  if (!options.length) return;
  search.active = (place + options.length) % options.length;
  options.forEach((option, index) => option.setAttribute("aria-selected", String(index === search.active)));
  options[search.active].scrollIntoView({ block: "nearest" });
  $("query").setAttribute("aria-activedescendant", options[search.active].id);
}

function typed() {
  clearTimeout(search.timer);
  const query = $("query").value.trim();
  searches.stop();
  if (!query) return closeOptions();
  search.timer = setTimeout(async () => {
    try {
      const { items } = await searches.ask(`/items?limit=${OPTIONS}&query=${encodeURIComponent(query)}`);
      showProblem(null);
      if ($("query").value.trim() === query) showOptions(items);
    } catch (error) {
      showProblem(error);
    }
  }, TYPING_MS);
}

function pick(place) {
  const item = search.found[place];
  if (!item) return;
  $("query").value = "";
  closeOptions();
  add(item);
}

$("query").maxLength = 200;
$("query").addEventListener("input", typed);
$("query").addEventListener("blur", closeOptions);
$("query").addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if ($("options").hidden) typed();
    else if (event.key === "ArrowDown") activate(search.active + 1);
    else activate(search.active < 0 ? -1 : search.active - 1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    pick(Math.max(0, search.active));
  } else if (event.key === "Escape") {
    if ($("options").hidden) $("query").value = "";
    closeOptions();
  }
});
// Before the input loses the focus.
$("options").addEventListener("pointerdown", (event) => event.preventDefault());
$("options").addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) pick([...$("options").children].indexOf(option));
});
document.addEventListener("keydown", (event) => {
  const writing = event.target.closest("input, textarea");
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("query").focus();
  }
});

// ---- the history

function add(item) {
  changed([...history, item]);
}

function changed(events) {
  const most = about?.limits.history ?? events.length;
  history = events.slice(-most);
  count = SHOWN;
  const hash = history.map((event) => encodeURIComponent(event.item)).join(",");
  window.history.replaceState(null, "", hash ? `#${hash}` : window.location.pathname);
  showHistory();
  recommend();
}

function showHistory() {
  $("history").replaceChildren(
    ...history.map((event, place) => {
      const row = made("history-template", { title: label(event), id: event.title ? event.item : "" });
      row.classList.toggle("unread", !event.read);
      for (const [name, verb, enabled] of [
        ["earlier", "Move up", place > 0],
        ["later", "Move down", place < history.length - 1],
        ["remove", "Remove", true],
      ]) {
        const button = row.querySelector(`.${name}`);
        button.title = verb;
        button.setAttribute("aria-label", `${verb}: ${label(event)}`);
        button.disabled = !enabled;
        button.addEventListener("click", () => change(place, name));
      }
      return row;
    }),
  );
  $("clear").hidden = !history.length;
  const unread = history.filter((event) => !event.read).length;
  $("unread").hidden = !unread;
  $("unread").textContent = unread ? "Items in grey are not read: this model reads those of other domains." : "";
}

function change(place, name) {
  const events = [...history];
  const [event] = events.splice(place, 1);
  const to = { earlier: place - 1, later: place + 1 }[name];
  if (to !== undefined) events.splice(to, 0, event);
  changed(events);
  focusRow(to ?? Math.min(place, events.length - 1), name);
}

// The row that was acted on is made anew: the focus goes to what stands there now.
function focusRow(place, name) {
  const row = $("history").children[place];
  if (!row) return $("query").focus();
  const button = row.querySelector(`.${name}`);
  (button.disabled ? row.querySelector(".remove") : button).focus();
}

$("clear").addEventListener("click", () => {
  changed([]);
  $("query").focus();
});

// An item by chance, and one or two that are like it.
async function example() {
  try {
    const offset = Math.floor(Math.random() * about.items);
    const { items } = await ask(`/items?limit=1&offset=${offset}`);
    const [first] = items;
    const { items: like } = about.similar
      ? await ask(`/similar?k=2&item=${encodeURIComponent(first.item)}`)
      : { items: [] };
    showProblem(null);
    changed([...like.reverse().map((item) => ({ ...item, read: about.reads_own })), first]);
  } catch (error) {
    showProblem(error);
  }
}

$("example").addEventListener("click", example);

// ---- what is recommended

async function recommend() {
  const list = $("recommended");
  $("more").hidden = true;
  $("empty").hidden = history.length > 0;
  $("legend").hidden = !history.length || !$("legend").childElementCount;
  if (!history.length) {
    recommendations.stop();
    list.replaceChildren();
    list.classList.remove("waiting");
    $("status").textContent = "";
    showProblem(null);
    return;
  }
  list.classList.add("waiting");
  try {
    const question = { history: history.map((event) => event.item), k: count, explain: about.generated };
    const { answers } = await recommendations.ask("/recommend", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
    });
    showProblem(null);
    showRecommended(answers[0].items);
  } catch (error) {
    if (error.name === "AbortError") return;
    list.replaceChildren();
    $("status").textContent = "";
    showProblem(error);
  }
  list.classList.remove("waiting");
}

function showRecommended(items) {
  $("recommended").replaceChildren(...items.map(card));
  const after = history.length === 1 ? "one item" : `${number.format(history.length)} items`;
  const read = about.history_length && history.length > about.history_length;
  const latest = read ? `, of which the latest ${about.history_length} are read` : "";
  $("status").textContent = items.length
    ? `${items.length} items, after a history of ${after}${latest}`
    : "The model reads none of these items, and recommends nothing.";
  $("more").hidden = items.length < count || count > SHOWN || items.length >= about.items;
}

function card(item, place) {
  const element = made("card-template", {
    rank: place + 1,
    title: label(item),
    id: item.title ? item.item : "",
    score: item.score.toFixed(2),
  });
  element.querySelector(".score").title = "The model's score, comparable within this list only";
  const button = element.querySelector(".add");
  button.title = "Add to the history";
  button.setAttribute("aria-label", `Add to the history: ${label(item)}`);
  button.addEventListener("click", () => {
    add({ ...item, read: about.reads_own });
  });
  if (about.posters) showPoster(element, item);
  if (item.generated_from) showOrigin(element, item.generated_from);
  return element;
}

function showPoster(element, item) {
  const frame = element.querySelector(".poster");
  frame.hidden = false;
  frame.querySelector(".letter").textContent = [...label(item)][0].toUpperCase();
  if (!item.poster) return;
  const image = frame.querySelector("img");
  image.addEventListener("load", () => {
    image.hidden = false;
  });
  image.loading = "eager";
  image.src = `/poster?item=${encodeURIComponent(item.item)}`;
}

function showOrigin(element, origin) {
  const rows = origin.matches.map((match) => {
    const row = made("match-template", {
      title: match.title || match.item,
      domain: match.domain,
      weight: percent(match.weight),
    });
    row.querySelector(".dot").classList.add(colourOf(match.domain));
    row.title = `${match.item}, similarity of the texts ${match.similarity.toFixed(2)}`;
    return row;
  });
  element.querySelector(".origin").hidden = false;
  element.querySelector(".lead").textContent = leadOf(origin);
  element.querySelector(".first").append(...rows.slice(0, FIRST_MATCHES));
  element.querySelector(".rest").append(...rows.slice(FIRST_MATCHES));
  const more = rows.length - FIRST_MATCHES;
  element.querySelector("summary").textContent = more > 0 ? `${more} more, and the rest` : "The rest";
  const shares = [
    [origin.share, "from these items"],
    [origin.share_of_map, "from its text, by a map learned on all source items"],
    [origin.share_of_own_texts, `from the texts of ${about.dataset} themselves`],
  ].filter(([share]) => share > 0);
  element.querySelector(".shares").textContent =
    `Of the embedding, ${shares.map(([share, from]) => `${percent(share)} came ${from}`).join(", ")}` +
    (about.variant === "zero_shot" ? "." : "; training on the target went on from there.");
  element.querySelector(".bar").append(
    ...origin.matches.map((match) => part(match.weight * origin.share, colourOf(match.domain))),
    part(origin.share_of_map, "of-map"),
    part(origin.share_of_own_texts, "of-texts"),
  );
}

function leadOf({ share }) {
  if (share > 0.995) return "generated from";
  if (share === 0) return "generated from texts alone; the nearest source items";
  return `${percent(share)} generated from these, ${percent(1 - share)} from texts`;
}

function part(share, className) {
  const element = document.createElement("span");
  element.className = className;
  element.style.width = `${100 * share}%`;
  return element;
}

$("more").addEventListener("click", () => {
  count = MORE;
  recommend();
});

// ---- the theme

function labelTheme() {
  $("theme").textContent = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[chosenTheme()];
}

$("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length];
  try {
    localStorage.setItem("recbole_idp theme", next);
  } catch {
    // Not kept, but shown.
  }
  showTheme(next);
  labelTheme();
});

// ---- the start

function showAbout() {
  document.title = `${about.dataset} · recbole_idp`;
  $("dataset").textContent = about.dataset;
  const trained = about.variant === about.model ? about.model : `${about.model}, ${about.variant.replaceAll("_", " ")}`;
  const sources = about.sources.length ? ` · pre-trained on ${about.sources.join(", ")}` : "";
  $("facts").textContent = `${trained} · ${number.format(about.items)} items${sources}`;
  about.sources.forEach(colourOf);
  if (about.generated && about.sources.length) {
    $("legend").replaceChildren(
      ...about.sources.map((name) => {
        const entry = document.createElement("li");
        const dot = document.createElement("span");
        dot.className = `dot ${colourOf(name)}`;
        entry.append(dot, name);
        return entry;
      }),
    );
  }
}

function idsOfAddress() {
  const parts = window.location.hash.slice(1).split(",").filter(Boolean);
  return parts.flatMap((part) => {
    try {
      return [decodeURIComponent(part)];
    } catch {
      return [];
    }
  });
}

async function restore() {
  const ids = idsOfAddress().slice(-100);
  if (ids.length) {
    const asked = ids.map((id) => `item=${encodeURIComponent(id)}`).join("&");
    history = (await ask(`/items?${asked}`)).items;
  } else {
    history = [];
  }
  count = SHOWN;
  showHistory();
  await recommend();
}

async function start() {
  labelTheme();
  try {
    about = await ask("/health");
    showAbout();
    await restore();
  } catch (error) {
    showProblem(error);
  }
}

window.addEventListener("hashchange", () => restore().catch(showProblem));
start();
