# SPDX-License-Identifier: GPL-2.0-or-later
"""report.html: the receipt for a person. One file, without a network."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from .pictures import Picture
from .receipt import MOVED, ZERO_COPY

_STYLE = """
:root { --good: #1b7f4b; --bad: #b3261e; --moved: #c77f00;
        --camera: #2f6fb0; --display: #7a4fb0; --line: #d8dde3; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c232b; max-width: 1080px;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; border-left: .5rem solid var(--verdict); padding: .4rem .8rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
         vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, .address { font-family: ui-monospace, monospace; font-size: .85em; }
.good { color: var(--good); } .moved { color: var(--moved); } .bad { color: var(--bad); }
.badge { font-weight: 600; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } figure img { max-width: 320px; }
figcaption { font-size: .85em; color: #55606c; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; }
"""
_MiB = 1 << 20
_TIMELINE_FRAMES = 8


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: object, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(str(text))}</td>'


def _number(value: int) -> str:
    return _cell(f"{value:,}".replace(",", "\N{THIN SPACE}"), "number")


def _badge(verdict: str) -> str:
    kind = {ZERO_COPY: "good", MOVED: "moved"}.get(verdict, "bad")
    return f'<td class="badge {kind}">{escape(verdict)}</td>'


def _sum(frames: list[dict], engine: str) -> int:
    """A frame of the camera may be scanned several times."""
    sizes = {f[engine]["frame"]: f[engine]["bytes"] for f in frames if f[engine]}
    return sum(sizes.values())


def _pipelines(receipt: dict) -> str:
    rows = []
    for pipeline in receipt["pipelines"]:
        frames = pipeline["frames"]
        why = "; ".join(pipeline["reasons"][:3])
        rows.append(
            [
                f"<td>{escape(pipeline['name'])}<br><code>{escape(' '.join(pipeline['options']))}"
                "</code></td>",
                _cell("zero-copy" if pipeline["claims_zero_copy"] else "nothing: it copies"),
                _badge(pipeline["verdict"]),
                _number(len(frames)),
                _number(_sum(frames, "camera")),
                _number(_sum(frames, "display")),
                _number(sum(f["cpu"]["loaded"] for f in frames)),
                _number(sum(f["cpu"]["stored"] for f in frames)),
                _number(sum(len(f["moves"]) for f in frames)),
                _cell(why),
            ]
        )
    heads = (
        "pipeline", "claims", "verdict", "scanouts", "bytes written by camera",
        "bytes read by display", "bytes loaded by CPUs", "stored by CPUs", "moves", "why",
    )  # fmt: skip
    return _table(heads, rows)


def _buffers(receipt: dict) -> list[tuple[int, int, str]]:
    """(address, end, colour) of all memory that an engine transferred."""
    found = {}
    for pipeline in receipt["pipelines"]:
        for frame in pipeline["frames"]:
            for engine in ("camera", "display"):
                for piece in (frame[engine] or {"addresses": []})["addresses"]:
                    address, size = (int(number, 16) for number in piece.split("+"))
                    found.setdefault((address, address + size), set()).add(engine)
    colours = {
        frozenset(["camera"]): "var(--camera)",
        frozenset(["display"]): "var(--display)",
        frozenset(["camera", "display"]): "var(--good)",
    }
    return [
        (start, end, colours.get(frozenset(who), "var(--bad)"))
        for (start, end), who in sorted(found.items())
    ]


def _memory_map(receipt: dict) -> str:
    machine = receipt["machine"]
    banks = [(int(b["address"], 16), b["bytes"]) for b in machine["banks"]]
    lanes = list(machine["windows"])
    width, lane, top = 1040, 26, 30
    height = top + lane * (len(lanes) + 4)
    gap = 40
    scale = (width - 110 - gap * (len(banks) - 1)) / sum(size for _, size in banks)

    origins, x = {}, 110.0
    for base, size in banks:
        origins[base] = x
        x += size * scale + gap

    def bars(start: int, end: int, y: int, colour: str, title: str, h: int = 16) -> str:
        out = ""
        for base, size in banks:
            low, high = max(start, base), min(end, base + size)
            if low < high:
                out += (
                    f'<rect x="{origins[base] + (low - base) * scale:.1f}" y="{y}" '
                    f'width="{max((high - low) * scale, 2):.1f}" height="{h}" fill="{colour}">'
                    f"<title>{escape(title)}</title></rect>"
                )
        return out

    svg = ""
    for base, size in banks:
        svg += f'<text x="{origins[base]:.1f}" y="18">{base:#x}, {size // _MiB} MiB</text>' + bars(
            base, base + size, top, "#e6eaee", "DRAM"
        )
    svg += f'<text x="0" y="{top + 13}">DRAM</text>'
    y = top + lane
    for name in lanes:
        colour = "var(--camera)" if name.startswith("camera") else "var(--display)"
        svg += f'<text x="0" y="{y + 13}">{escape(name)}</text>'
        for window in machine["windows"][name]:
            start = int(window["address"], 16)
            svg += bars(
                start, start + window["bytes"], y + 5, colour,
                f"{name} reaches this at bus address {window['bus']}", 6,
            )  # fmt: skip
        y += lane
    svg += f'<text x="0" y="{y + 13}">pictures</text>'
    for start, end, colour in _buffers(receipt):
        svg += bars(start, end, y, colour, f"{start:#x}, {end - start} bytes")
    y += lane
    for key, colour in (("from", "#9aa5b1"), ("to", "var(--moved)")):
        svg += f'<text x="0" y="{y + 13}">moved {key}</text>'
        for move in receipt["moves"]:
            start = int(move[key], 16)
            title = f"buffer {move['buffer']}, {move[key]}, {move['bytes']} bytes"
            svg += bars(start, start + move["bytes"], y, colour, title)
        y += lane
    legend = (
        "Green: written by a camera and read by a display. Blue: only written by a camera, "
        "violet: only read by a display: that is what a copy looks like. Grey: where buffers "
        "were before the drivers moved them (a scattered one: from its first piece on); amber: "
        "where they lie since."
    )
    return f'<svg viewBox="0 0 {width} {height}" role="img">{svg}</svg><p>{legend}</p>'


def _timeline(pipeline: dict) -> str:
    frames = [f for f in pipeline["frames"] if f["camera"] and f["display"]][:_TIMELINE_FRAMES]
    if not frames:
        return ""
    start = min(f["camera"]["start_ns"] for f in frames)
    end = max(f["display"]["done_ns"] for f in frames)
    scale = 930 / max(end - start, 1)
    svg = ""
    for row, frame in enumerate(frames):
        y = 8 + row * 24
        svg += f'<text x="0" y="{y + 13}">frame {frame["sequence"]}</text>'
        for engine, colour in (("camera", "var(--camera)"), ("display", "var(--display)")):
            part = frame[engine]
            x = 100 + (part["start_ns"] - start) * scale
            width = max((part["done_ns"] - part["start_ns"]) * scale, 2)
            svg += (
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="16" fill="{colour}">'
                f"<title>{part['master']} frame {part['frame']}: {part['start_ns']} to "
                f"{part['done_ns']} ns, hash {part['hash']}</title></rect>"
            )
        if frame["cpu"]["touches"]:
            svg += (
                f'<rect x="{100 + (frame["camera"]["done_ns"] - start) * scale:.1f}" y="{y}" '
                f'width="4" height="16" fill="var(--bad)"><title>'
                f"{escape('; '.join(frame['cpu']['touches'][:3]))}</title></rect>"
            )
    y = 8 + len(frames) * 24
    svg += (
        f'<text x="100" y="{y + 12}">{start / 1e6:.3f} ms</text>'
        f'<text x="1030" y="{y + 12}" text-anchor="end">{end / 1e6:.3f} ms</text>'
    )
    return f'<svg viewBox="0 0 1040 {y + 20}" role="img">{svg}</svg>'


def _frames(pipeline: dict) -> str:
    rows = []
    for frame in pipeline["frames"]:
        cells = [_number(frame["sequence"]), _badge(frame["verdict"])]
        for engine in ("camera", "display"):
            part = frame[engine]
            addresses = part["addresses"] if part else []
            text = addresses[0].split("+")[0] if addresses else "-"
            if len(addresses) > 1:
                text += f" and {len(addresses) - 1} more"
            cells += [_cell(text, "address"), _cell(part["hash"] if part else "-", "address")]
        cells += [_number(frame["cpu"]["loaded"]), _number(frame["cpu"]["stored"])]
        cells.append(_cell("; ".join(f"{m['from']} to {m['to']}" for m in frame["moves"])))
        rows.append(cells)
    heads = (
        "frame", "verdict", "camera wrote at", "hash", "display read at", "hash",
        "CPU loaded", "CPU stored", "moved",
    )  # fmt: skip
    return _table(heads, rows)


def _picture(picture: Picture) -> str:
    text = escape(picture.text)
    if not picture.data:
        return f"<p>{text}</p>"
    data = base64.b64encode(picture.data).decode()
    return (
        f'<figure><img alt="{text}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def render(receipt: dict, screenshot: Picture, thumbnails: Sequence[Sequence[Picture]]) -> str:
    """THUMBNAILS: those of each pipeline."""
    good = receipt["verdict"] == ZERO_COPY
    parts = [
        f"<h1>{escape(receipt['statement'])}</h1>",
        "<h2>Pipelines</h2>",
        _pipelines(receipt),
        "<h2>Shown at the end</h2>",
        _picture(screenshot),
        "<h2>Memory</h2>",
        _memory_map(receipt),
        "<h2>Frames in time</h2>",
        "<p>Blue: the camera writes the frame. Violet: the display reads it. Red: a CPU "
        f"touches it. The first {_TIMELINE_FRAMES} frames of each pipeline. Pictures are made of "
        "the clip, not by the guest, and shown, scaled down, if the display's hash is "
        "theirs.</p>",
    ]
    for pipeline, pictures in zip(receipt["pipelines"], thumbnails, strict=True):
        parts += [
            f"<h3>{escape(pipeline['name'])}</h3>",
            _timeline(pipeline),
            *map(_picture, pictures),
            "<details><summary>All frames</summary>",
            _frames(pipeline),
            "</details>",
        ]
    parts += [
        "<h2>What stands behind it</h2>",
        "<p>The bus monitor recorded every transfer of the engines; the CPU witness counted "
        "every byte that a CPU loaded or stored, by page and by interval between two events of "
        "the monitor. Masters that the monitor does not watch: "
        f"{escape(', '.join(receipt['machine']['not_watched']) or 'none')}.</p>",
    ]
    verdict = "var(--good)" if good else "var(--bad)"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(receipt['verdict'])}: Baton's receipt</title>"
        f"<style>{_STYLE} :root {{ --verdict: {verdict}; }}</style></head><body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )
