"""`recloop register`: put a trained model where a service finds it."""

from pathlib import Path
from typing import Annotated

import typer


def register(
    run: Annotated[str, typer.Option("--run", help="A run folder or a saved model.")],
    data_dir: Annotated[str, typer.Option("--data-dir", help="The service's folder.")] = "serving",
    model: Annotated[
        str | None, typer.Option("--model", help="Which model of the run folder.")
    ] = None,
) -> None:
    """Check a model, copy it to a service's folder and print its version; nothing is served yet."""
    from recloop.serving.opening import named_model
    from recloop.serving.registry import Registry
    from recloop.serving.settings import ServingSettings

    found = named_model(ServingSettings(model=run, model_name=model))
    registry = Registry(Path(data_dir) / "models")
    items = [item.id for item in found.items]
    version, _ = registry.add(found.model, users=found.users, items=items, name=found.name)
    print(version)
