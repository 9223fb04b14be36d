"""What mkdocs.yml leaves to a machine: the navigation, and the reference pages made from the code.

A page joins the site by lying in its folder. The reference holds what each package offers in
`__all__`, so that it cannot be out of date.
"""

import sys
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SECTIONS = {
    "Tutorials": ["tutorials/*.md"],
    "How to": ["how-to/*.md"],
    "Algorithms": ["bandits.md", "algorithms/*.md"],
    "Proof": ["metrics.md", "log_format.md", "benchmarks.md", "reliability.md", "mutation.md"],
    "The project": ["security.md", "architecture.md", "conventions.md", "glossary.md"],
}
PACKAGES = ["models", "data", "decisions", "evaluation", "training", "experiment", "testing"]
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
    parts += [f"::: {_home(package, offered)}.{offered}" for offered in package.__all__]
    return "\n\n".join(parts) + "\n"


def _home(package: ModuleType, offered: str) -> str:
    """The module that defines a name: a class says it, a table is looked for."""
    value = getattr(package, offered)
    if isinstance(value, type) or isfunction(value):
        return value.__module__
    below = (name for name in sys.modules if name.startswith(f"{package.__name__}."))
    holders = [name for name in sorted(below) if vars(sys.modules[name]).get(offered) is value]
    return holders[0] if holders else package.__name__
