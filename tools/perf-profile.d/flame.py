# SPDX-License-Identifier: GPL-2.0-only
"""Draws stacks as a flame graph: one SVG that needs nothing else.

A frame is as wide as the samples it is in; below it is its caller. A click makes a frame as wide as
the picture, a click on the lowest one takes that back; hovering tells the numbers; "search" marks
the frames that match a regular expression.
"""
from html import escape

WIDTH = 1200
ROW = 17
TOP = 44
BOTTOM = 26
FONT_WIDTH = 6.6  # of the monospaced font at 11 px
NARROWEST = 0.15  # pixels; what is narrower is left out
COLORS = {"t": (40, 0, 80), "u": (28, 80, 66), "k": (205, 55, 70), "b": (120, 45, 62)}

STYLE = """
text { font: 11px monospace; pointer-events: none }
.head { font-size: 14px } .link { pointer-events: all; cursor: pointer; text-decoration: underline }
g { cursor: pointer } rect { stroke: #fff; stroke-width: 0.6 } g:hover rect { stroke: #000 }
g.under rect { opacity: 0.5 } g.found rect { fill: #d0f }
"""

SCRIPT = """
const W = %(width)d, CHAR = %(char)g, EDGE = 0.02, frames = [...document.querySelectorAll("g")];
function fit(g, x, w) {
	const [rect, text] = [g.querySelector("rect"), g.querySelector("text")];
	const room = Math.floor((w - 4) / CHAR), name = g.dataset.name;
	rect.setAttribute("x", x); rect.setAttribute("width", w); text.setAttribute("x", x + 2);
	text.textContent = room < 3 ? "" : name.length <= room ? name : name.slice(0, room - 2) + "..";
}
function zoom(to) {
	const x0 = +to.dataset.x, w0 = +to.dataset.w, y0 = +to.dataset.depth;
	for (const g of frames) {
		const x = +g.dataset.x, w = +g.dataset.w, under = +g.dataset.depth < y0;
		const inside = under ? x <= x0 + EDGE && x + w >= x0 + w0 - EDGE
			: x >= x0 - EDGE && x + w <= x0 + w0 + EDGE;
		g.style.display = inside ? "" : "none";
		g.classList.toggle("under", under);
		if (inside) under ? fit(g, 0, W) : fit(g, (x - x0) / w0 * W, w / w0 * W);
	}
}
function search() {
	const text = prompt("Functions that match the regular expression:");
	if (text === null) return;
	const wanted = text && new RegExp(text);
	for (const g of frames) g.classList.toggle("found", !!wanted && wanted.test(g.dataset.name));
}
for (const g of frames) g.addEventListener("click", () => zoom(g));
document.querySelector("#search").addEventListener("click", search);
"""


class Node:
    def __init__(self, kind, name):
        self.kind, self.name, self.count, self.children = kind, name, 0, {}

    def add(self, stack, count):
        node = self
        node.count += count
        for frame in stack:
            node = node.children.setdefault(frame, Node(*frame))
            node.count += count

    def depth(self):
        return 1 + max((child.depth() for child in self.children.values()), default=0)


def color(kind, name):
    """One hue for each kind; the name decides the shade, so that a function keeps it."""
    hue, saturation, light = COLORS[kind]
    shade = sum(ord(letter) * (i + 1) for i, letter in enumerate(name))
    return f"hsl({hue + shade % 17 - 8},{saturation}%,{light + shade // 17 % 13 - 6}%)"


def label(name, width):
    room = int((width - 4) / FONT_WIDTH)
    if room < 3:
        return ""
    return name if len(name) <= room else name[: room - 2] + ".."


def draw(node, x, depth, scale, height, total, out):
    width = node.count * scale
    if width < NARROWEST:
        return
    y = height - BOTTOM - (depth + 1) * ROW
    name = escape(node.name, quote=True)
    out.append(
        f'<g data-x="{x:.2f}" data-w="{width:.2f}" data-depth="{depth}" data-name="{name}">'
        f"<title>{name}: {node.count} samples, {100 * node.count / total:.1f} %</title>"
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" fill="{color(node.kind, node.name)}"/>'
        f'<text x="{x + 2:.2f}" y="{y + 12}">{escape(label(node.name, width))}</text></g>'
    )
    for _, child in sorted(node.children.items()):
        draw(child, x, depth + 1, scale, height, total, out)
        x += child.count * scale


def render(stacks, title, note):
    """The SVG as text."""
    root = Node("t", "all")
    for stack, count in stacks.items():
        root.add(stack, count)
    height = TOP + root.depth() * ROW + BOTTOM
    frames = []
    if root.count:
        draw(root, 0, 0, WIDTH / root.count, height, root.count, frames)
    else:
        frames.append(f'<text x="4" y="{TOP + 12}">no samples: neither the daemon nor its BPF programs were met</text>')
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
            f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text class="head" x="4" y="18">{escape(title)}</text>',
            f'<text class="link" id="search" x="{WIDTH - 50}" y="18">search</text>',
            f'<text x="4" y="{height - 8}">{escape(note)}</text>',
            *frames,
            "<script><![CDATA[" + SCRIPT % {"width": WIDTH, "char": FONT_WIDTH} + "]]></script>",
            "</svg>",
            "",
        )
    )
