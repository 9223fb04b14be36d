"""A page of the API that needs no network: every route, its body, its answers, an example."""

import json
from html import escape
from typing import Any

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;
color:#1b1f24;background:#fff}
pre{background:#f4f5f7;padding:.75rem;overflow:auto;border-radius:6px}
summary{cursor:pointer;padding:.35rem 0}code{font-family:ui-monospace,monospace}
.verb{display:inline-block;min-width:4.5rem;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#14171a}pre{background:#1f2429}}
"""


def page(description: dict[str, Any]) -> str:
    """The description as HTML."""
    rows = [
        _route(path, verb, operation)
        for path, verbs in description["paths"].items()
        for verb, operation in verbs.items()
    ]
    schemas = "".join(
        f"<details><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"
        for name, schema in sorted(description["components"]["schemas"].items())
    )
    title = escape(f"{description['info']['title']} {description['info']['version']}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width,initial-scale=1'><style>{STYLE}</style>"
        f"<h1>{title}</h1><p>{escape(description['info']['description'])} "
        "<a href='/openapi.json'>openapi.json</a></p>"
        f"<h2>Routes</h2>{''.join(rows)}<h2>Messages</h2>{schemas}</html>"
    )


def _route(path: str, verb: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = f"<p>Example</p>{_json(body['example'])}" if "example" in body else ""
    answers = ", ".join(sorted(operation["responses"]))
    return (
        f"<details><summary><span class=verb>{escape(verb.upper())}</span>"
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"{_json(body['schema']) if body else ''}{example}<p>Answers: {answers}</p></details>"
    )


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1))}</pre>"
