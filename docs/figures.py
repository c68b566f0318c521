"""Draw the figures of README and documentation: ``python docs/figures.py`` writes them to docs/assets/.

All text stands in filled boxes and lines are of a middle grey, so that the figures read on light and dark backgrounds.
"""

from html import escape
from pathlib import Path

ASSETS = Path(__file__).resolve().parent / "assets"
BLUE, GREEN, ORANGE, PURPLE, GREY = "#1f5fa8", "#1b7350", "#a8500f", "#6a4a9c", "#4d5966"
LINE = "#8b949e"
FONT = "font-family='Segoe UI, Helvetica, Arial, sans-serif'"


def box(x: int, y: int, width: int, height: int, colour: str, title: str, *lines: str) -> str:
    """Return a filled box with a bold first line and further lines, all centred in it."""
    step = 19
    top = y + height / 2 - step * len(lines) / 2 + 5
    middle = x + width / 2
    texts = [f"<text x='{middle:g}' y='{top:g}' font-size='15' font-weight='600'>{escape(title)}</text>"]
    for number, line in enumerate(lines, 1):
        texts.append(f"<text x='{middle:g}' y='{top + number * step:g}' font-size='13'>{escape(line)}</text>")
    frame = f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='7' fill='{colour}'/>"
    return f"{frame}<g fill='#ffffff' text-anchor='middle' {FONT}>{''.join(texts)}</g>"


def arrow(*points: tuple[int, int]) -> str:
    """Return a line through the points that ends in an arrow head."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f"<polyline points='{path}' fill='none' stroke='{LINE}' stroke-width='2.5' marker-end='url(#head)'/>"


def picture(width: int, height: int, title: str, *parts: str) -> str:
    """Return a whole SVG file; the title is what a screen reader says."""
    head = (
        "<defs><marker id='head' markerWidth='8' markerHeight='8' refX='6' refY='4' orient='auto'>"
        f"<path d='M0,0 L8,4 L0,8 z' fill='{LINE}'/></marker></defs>"
    )
    size = f"viewBox='0 0 {width} {height}' width='{width}' height='{height}'"
    start = f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img'><title>{escape(title)}</title>"
    return "\n".join([start, head, *parts, "</svg>", ""])


def transfer() -> str:
    """Draw how a model gets from source domains to a target: source, match, target."""
    columns = [(10, BLUE, "Source"), (330, GREEN, "Match"), (650, ORANGE, "Target")]
    parts = [box(x, 8, 240, 34, colour, name) for x, colour, name in columns]
    parts += [
        box(10, 62, 240, 74, BLUE, "Source domains", "long histories, item texts"),
        box(10, 176, 240, 84, BLUE, "Pre-trained model", "an ID embedding for each item,", "a sequence encoder"),
        box(330, 62, 240, 74, GREEN, "Item texts", "sentence encoder + CDIM"),
        box(330, 176, 240, 84, GREEN, "Nearest source items", "for each target item;", "their IDs make its own ID"),
        box(650, 62, 240, 74, ORANGE, "New platform", "texts, few events, IDs of its own"),
        box(650, 176, 240, 84, ORANGE, "Target model", "starts from the generated IDs", "and is trained on the target"),
        arrow((130, 136), (130, 171)),
        arrow((450, 136), (450, 171)),
        arrow((770, 136), (770, 171)),
        arrow((250, 99), (325, 99)),
        arrow((650, 99), (575, 99)),
        arrow((250, 218), (325, 218)),
        arrow((570, 218), (645, 218)),
    ]
    return picture(900, 270, "From source domains by matched texts to a target model", *parts)


def rooms() -> str:
    """Draw the folders of the package as layers; imports point down."""
    layers = [
        [("cli", "commands, options", GREY), ("benchmark", "speed and memory", GREY)],
        [("leaderboard", "models x datasets x seeds, each a job", BLUE)],
        [("run", "one job, from data to table", BLUE)],
        [("web", "an HTTP server and its page", BLUE)],
        [("serving", "recommend, add items, export", BLUE)],
        [
            ("models", "a folder a paper: idp, precise, unisrec, ...", PURPLE),
            ("recbole_models", "RecBole's own", PURPLE),
        ],
        [("train", "loop, resuming, checkpoints", GREEN)],
        [("report", "results, tables, pages", GREEN), ("evaluation", "ranks, buckets, tests", GREEN)],
        [("nn", "encoders, losses", GREEN), ("content", "text to vectors", GREEN), ("search", "nearest", GREEN)],
        [("data", "atomic files, sequences, rows", ORANGE), ("hub", "folders to give away", ORANGE)],
        [("config", "keys, layers, checks", ORANGE), ("storage", "files, locks, seals", ORANGE)],
        [
            ("registry, hooks", "models and RecBole", GREY),
            ("cluster", "Ray", GREY),
            ("compat, errors", "versions, messages", GREY),
        ],
    ]
    width, height, gap = 780, 50, 8
    parts = [arrow((825, 10), (825, len(layers) * (height + gap) - 12))]
    for row, layer in enumerate(layers):
        share = (width - gap * (len(layer) - 1)) // len(layer)
        for place, (name, what, colour) in enumerate(layer):
            parts.append(box(10 + place * (share + gap), 4 + row * (height + gap), share, height, colour, name, what))
    note = box(800, 250, 90, 60, GREY, "imports", "point down")
    return picture(900, len(layers) * (height + gap) + 4, "Folders of the package as layers", *parts, note)


ENCODERS = {"lsa": "lsa", "MiniLM-1": "1 layer", "MiniLM-2": "2", "MiniLM-3": "3", "all-MiniLM-L6-v2": "6"}
"""The text encoders that were compared, and their names on the axis."""


def encoders() -> str:
    """Draw NDCG@10 on Office by the size of the text encoder, from the table of docs/guide/text-encoders.md."""
    page = (ASSETS.parent / "guide" / "text-encoders.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" *_") for cell in line.split("|")[1:-1]] for line in page.splitlines() if " · " in line]
    found = {row[0]: float(row[2]) for row in rows if len(row) > 2 and row[2].startswith("0.")}
    left, bottom, wide, high = 70, 290, 170, 240
    most = max(found.values())
    lines = (("MoRec", "", BLUE), ("UniSRec", "", GREEN), ("UniSRec", " · zero-shot", ORANGE))
    axes = f"{left},20 {left},{bottom} 860,{bottom}"
    parts = [f"<polyline points='{axes}' fill='none' stroke='{LINE}' stroke-width='2'/>"]
    for place, name in enumerate(ENCODERS.values()):
        parts.append(box(left + 20 + place * wide - 5, bottom + 12, 90, 30, GREY, name))
    for number, (model, kind, colour) in enumerate(lines):
        points = [
            (left + 60 + place * wide, round(bottom - high * found[f"{model} · {name}{kind}"] / most))
            for place, name in enumerate(ENCODERS)
            if f"{model} · {name}{kind}" in found
        ]
        path = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='3'/>")
        parts += [f"<circle cx='{x}' cy='{y}' r='5' fill='{colour}'/>" for x, y in points]
        parts.append(box(90 + number * 200, bottom + 56, 180, 30, colour, f"{model}{kind.replace(' · ', ', ')}"))
    scale = [box(4, bottom - high - 15, 60, 30, GREY, f"{most:.4f}"), box(4, bottom - 15, 60, 30, GREY, "0")]
    return picture(900, bottom + 92, "NDCG@10 on Office by the size of the text encoder", *parts, *scale)


FIGURES = {"transfer": transfer, "rooms": rooms, "encoders": encoders}

if __name__ == "__main__":
    ASSETS.mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        (ASSETS / f"{name}.svg").write_text(draw(), encoding="utf-8")
