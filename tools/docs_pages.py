"""What mkdocs.yml leaves to a machine: the navigation, and the reference pages made from the code.

A page joins the site by lying in its folder. The reference holds what each package offers in
`__all__`, so that it cannot be out of date.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SECTIONS = {
    "Tutorials": ["tutorials/*.md"],
    "How to": ["how-to/*.md"],
    "Algorithms": ["algorithms/*.md"],
    "Proof": ["metrics.md", "benchmarks.md", "mutation.md"],
    "The project": ["architecture.md", "conventions.md", "glossary.md"],
}
PACKAGES = ["models", "data", "evaluation", "training", "experiment", "testing"]
MODULES = ["types", "errors", "utils.seeding"]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation with the pages that are there."""
    docs = Path(config.docs_dir)
    nav: list[Any] = ["index.md"]
    for title, patterns in SECTIONS.items():
        found = [page for pattern in patterns for page in sorted(docs.glob(pattern))]
        if found:
            nav.append({title: [page.relative_to(docs).as_posix() for page in found]})
    nav.append({"Reference": [f"reference/{name}.md" for name in (*PACKAGES, *MODULES)]})
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a reference page for every package and for the shared vocabulary."""
    texts = {name: _package_page(name) for name in PACKAGES}
    texts |= {name: f"# recloop.{name}\n\n::: recloop.{name}\n{_OPTIONS}" for name in MODULES}
    for name, text in texts.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


_OPTIONS = "    options:\n      show_root_heading: false\n"


def _package_page(name: str) -> str:
    package = import_module(f"recloop.{name}")
    parts = [f"# recloop.{name}", package.__doc__ or ""]
    for offered in getattr(package, "__all__", []):
        home = getattr(getattr(package, offered), "__module__", package.__name__)
        parts.append(f"::: {home}.{offered}")
    return "\n\n".join(parts) + "\n"
