"""The report of a run as web pages that need no network: one page a notebook, and an index."""

from __future__ import annotations

import html
import json
import math
import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_kit.course import figures, notebooks
from recsys_kit.course.results import LOG
from recsys_kit.workspace import atomic

if TYPE_CHECKING:
    from recsys_kit.course.results import Result

__all__ = ["About", "committed", "describe_headline", "duration", "render", "write_index"]

# nbconvert's page loads MathJax, require.js and mermaid from other servers; these blocks are where it does.
_OFFLINE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
main {max-width: 1000px; margin: 0 auto} math[display=block] {margin: .6em 0}
.jp-InputArea-editor pre {white-space: pre-wrap} .jp-OutputArea-output {overflow-x: auto}
</style>
{%- endblock -%}
{%- block data_latex -%}<div class="jp-RenderedLatex">{{ output.data['text/latex'] | markdown2html }}</div>
{%- endblock -%}
"""

_STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222}
table {border-collapse: collapse; width: 100%} th, td {padding: .45em .7em; text-align: left; vertical-align: top}
th {border-bottom: 2px solid #888} td {border-bottom: 1px solid #ddd} .n {text-align: right; white-space: nowrap}
.ok {color: #00664a} .failed, .interrupted {color: #a33c00; font-weight: 600} .skipped, .running, .waiting {color: #666}
.p {width: 220px} .p img {width: 220px; max-height: 160px; object-fit: contain; display: block}
pre {background: #f6f6f6; padding: .6em; white-space: pre-wrap; margin: .4em 0; font-size: 13px}
small {color: #555} a {color: #0072b2} @media print {a {color: inherit}}
"""
_HOUSEHOLDS = 2469  # of The Complete Journey
# Half the 95% interval of the difference between the two best methods of notebook 06, all households.
_HALF_INTERVAL = 0.004
_SIGNS = {
    "ok": "✓ ok",
    "skipped": "○ skipped",
    "failed": "✗ failed",
    "interrupted": "✗ interrupted",
    "running": "… running",
    "waiting": "",
}


def render(path: Path, source: Path, names: Sequence[str]) -> Path:
    """Writes an executed notebook as a web page beside it: maths as MathML, pictures inside, nothing loaded.

    Args:
        path: The executed notebook.
        source: The folder of the notebook that was executed; pictures and links are relative to it.
        names: Notebooks of the same run (without suffix): links to them lead to their pages.
    """
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def block_math(self, body: str) -> str:
            return _mathml(body, "block")

        def inline_math(self, body: str) -> str:
            return _mathml(body, "inline")

        def latex_environment(self, name: str, body: str) -> str:
            return _mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

        def link(self, text: str, url: str, title: str | None = None) -> str:
            return super().link(text, _target(url, path.parent, source, names), title)

        def inline_html(self, html: str) -> str:
            # It gets each tag by itself and would close it at once: the text of <kbd>Shift</kbd> would stand behind.
            return super().inline_html(html) if html.startswith("<img") else html

    def to_html(text: str) -> str:
        renderer = Renderer(escape=False, embed_images=True, path=str(source), anchor_link_text="¶")
        return MarkdownWithMath(renderer=renderer).render(text)

    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"offline.html.j2": _OFFLINE})],
        template_file="offline.html.j2",
        filters={"markdown2html": to_html},
        embed_images=True,
    )
    exporter.log.setLevel("ERROR")
    notebook = notebooks.tidy(figures.shrink(notebooks.read(path)))
    notebook.metadata["title"] = notebooks.title(notebook)[0] or path.stem
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    return _write(path.with_suffix(".html"), page)


def _mathml(tex: str, display: str) -> str:
    from latex2mathml.converter import convert

    try:
        return convert(tex.strip(), display=display)
    except Exception:  # a formula that the converter cannot read is still readable as TeX
        return f"<code>{html.escape(tex)}</code>"


def _target(url: str, out: Path, source: Path, names: Sequence[str]) -> str:
    place, _, anchor = url.partition("#")
    if not place or re.match(r"[a-z]+:", place, re.IGNORECASE):
        return url
    if place.removesuffix(".ipynb") in names:
        return place.removesuffix(".ipynb") + ".html" + (f"#{anchor}" if anchor else "")
    if url.endswith(notebooks.CONTENTS):
        return "index.html"
    return Path(os.path.relpath(source / place, out)).as_posix() + (f"#{anchor}" if anchor else "")


@dataclass(frozen=True)
class About:
    """What the report says of a run as a whole.

    Attributes:
        profile: The profile's name.
        data: Folder of the shop's own data; empty for the kit's.
        started: When the run began, in seconds since 1970.
        users: How many households most notebooks drew; 0: all.
        committed: The result of each notebook as it is committed, by name; empty if it can't be compared.
        pictures: The main figure of each notebook that ran, by name, as a data URI; grows as the run goes on.
        redacted: What was replaced in the shop before anything ran; empty: nothing was.
    """

    profile: str
    data: str
    started: float
    users: int = 0
    committed: Mapping[str, str] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    redacted: str = ""


def committed(folder: Path) -> dict[str, str]:
    """Returns the committed result of each notebook, as the README beside the folder tells it.

    Not from the notebooks: where the course was laid down by `recsys-kit start` they have no outputs.

    Args:
        folder: The folder of the notebooks.
    """
    readme = Path(folder).resolve().parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    rows = re.findall(r"^\| \[.*?\]\(notebooks/(.*?)\.ipynb\) \|.*\| (.*?) \|$", text, re.MULTILINE)
    return {name: result.replace("\\|", "|") for name, result in rows if result}


def write_index(out: Path, results: Sequence[Result], about: About) -> Path:
    """Writes `index.html`, and the same as data in `results.json`.

    Args:
        out: Folder of the run.
        results: One result a notebook, also of those that have not run yet.
        about: The run as a whole.
    """
    told = {
        "profile": about.profile,
        "data": "a redacted copy of a shop" if about.redacted else about.data or "The Complete Journey",
        "started": time.strftime("%Y-%m-%d %H:%M", time.localtime(about.started)),
        "seconds": round(time.time() - about.started, 1),
        "machine": _machine(),
    }
    _write(out / "results.json", json.dumps(told | {"results": [asdict(r) for r in results]}, indent=1))
    done = sum(result.status == "ok" for result in results)
    skipped = sum(result.status == "skipped" for result in results)
    also = f" {skipped} can't show on this shop what they teach, and say why." if skipped else ""
    rows = "\n".join(_row(out, result, about) for result in results)
    wanted = [("Data", told["data"]), ("Started", told["started"]), ("Took", duration(told["seconds"]))]
    facts = "<br>".join(f"{name}: {html.escape(str(value))}" for name, value in [*wanted, ("Machine", told["machine"])])
    other = "<th>Committed: default values, all households</th>" if about.committed else ""
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>recsys_kit: {html.escape(about.profile)} run</title><style>{_STYLE}</style></head><body>
<h1>recsys_kit: {html.escape(about.profile)} run</h1>
<p><strong>{done} of {len(results)} notebooks ran to the end.{also}</strong></p>
{_of_a_redacted(about)}{_of_a_sample(about)}
<p><small>{facts}</small></p>
<table><thead><tr><th>Main figure</th><th>Notebook</th><th class="n">Wall time</th><th class="n">Peak memory</th>
<th>Result of this run against its baseline</th>{other}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
    return _write(out / "index.html", page)


def _of_a_redacted(about: About) -> str:
    """Returns what was replaced, as a paragraph; nothing if nothing was."""
    return about.redacted and f"<p><strong>This report is redacted.</strong> {html.escape(about.redacted)}</p>"


def _of_a_sample(about: About) -> str:
    """Returns what a run on a sample can tell, as a paragraph; nothing if it has all households."""
    if not about.users:
        return ""
    text = f"<strong>This is a sample of {about.users:,} households.</strong>"
    text += " It shows that everything runs, and large gaps."
    if about.committed and about.users < _HOUSEHOLDS:
        wider = math.sqrt(_HOUSEHOLDS / about.users)
        text += (
            f" It can't rank methods that are close: the 95% interval of a difference in NDCG@10 is about"
            f" {wider:.1f} times as wide as with all {_HOUSEHOLDS:,}, ±{_HALF_INTERVAL * wider:.3f} instead of"
            f" ±{_HALF_INTERVAL:.3f} (notebook 06), and a model has learned little from few households and few"
            f" epochs. Where a Transformer stands below counting here, look at the last column."
        )
    return f"<p>{text}</p>"


def _row(out: Path, result: Result, about: About) -> str:
    ran = result.status not in ("waiting", "running")
    name, picture = html.escape(result.name), about.pictures.get(result.name, "")
    picture = picture and f'<img src="{picture}" alt="the main figure of {name}">'
    page, log = out / f"{result.name}.html", out / f"{result.name}{LOG}"
    if page.exists() and ran:
        name, picture = (part and f'<a href="{page.name}">{part}</a>' for part in (name, picture))
    if log.exists() and ran:
        name += f' <small><a href="{log.name}">log</a></small>'
    seconds, memory = (duration(result.seconds), f"{result.peak_mb / 1000:.1f} GB") if ran else ("", "")
    note = html.escape(describe_headline(result.headline)) if result.headline else ""
    if result.status == "skipped":
        note = html.escape(f"skipped: {result.error}")
    elif result.error:
        note = f"<pre>{html.escape(result.error)}</pre>"
    other = f"<td>{html.escape(about.committed.get(result.name, ''))}</td>" if about.committed else ""
    status = f'<span class="{result.status}">{_SIGNS[result.status]}</span>'
    return (
        f'<tr><td class="p">{picture}</td><td>{name}<br>{status}</td>'
        f'<td class="n">{seconds}</td><td class="n">{memory}</td><td>{note}</td>{other}</tr>'
    )


VERDICTS = {"above": " (above)", "below": " (below)", "level with": " (level)"}
"""What the interval of the difference says, as it stands behind a headline."""


def describe_headline(
    headline: dict[str, Any], against: str = " against", verdicts: Mapping[str, str] = VERDICTS
) -> str:
    """Returns a headline metric, its baseline and what the interval of their difference says as one line.

    Args:
        headline: What `report.headline` displayed.
        against: The word between the two, in the reader's language.
        verdicts: What `VERDICTS` says, in that language.

    Example:
        >>> describe_headline({"metric": "NDCG@10", "value": 0.25, "baseline": "popularity", "baseline_value": 0.1})
        'NDCG@10 0.2500 against popularity 0.1000'
    """
    value, baseline = headline["value"], headline["baseline_value"]
    whose = f" (data: {headline['data']})" if headline.get("data") else ""
    said = verdicts.get(headline.get("verdict", ""), "")
    return f"{headline['metric']} {_number(value)}{against} {headline['baseline']} {_number(baseline)}{said}{whose}"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Returns a time span as people say it.

    Example:
        >>> duration(9.4), duration(75)
        ('9 s', '1 min 15 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _machine() -> str:
    import psutil

    parts = [f"{name} {metadata.version(name)}" for name in ("keras", "tensorflow", "pandas")]
    memory = psutil.virtual_memory().total / 1e9
    return f"{psutil.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, {', '.join(parts)}"


def _write(path: Path, text: str) -> Path:
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path
