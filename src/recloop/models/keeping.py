"""How every model is kept: hyperparameters, learned arrays and counters in one checked file."""

from dataclasses import Field, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recloop.errors import DamagedFile
from recloop.types import BoolArray
from recloop.utils.files import load_arrays, save_arrays
from recloop.utils.history import RecentItems
from recloop.utils.seeding import generator_state, restored_generator

FORMAT_VERSION = 1


def learned(*shape: str | int) -> Any:
    """A learned array: not an argument; its shape in names of fields, numbers, or "?" for any."""
    return field(init=False, repr=False, default=None, metadata={"shape": shape})


class Kept:
    """The part of a model that goes into a file and comes back out of it."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    n_users: int
    n_items: int
    type_name: ClassVar[str]
    history_length: ClassVar[int] = 0
    counted: ClassVar[tuple[str, ...]] = ()
    """Attributes that count something while it learns: kept in its file beside the arrays."""

    _rng: np.random.Generator
    _recent: RecentItems | None
    _withdrawn: BoolArray | None

    def params(self) -> dict[str, Any]:
        """The hyperparameters as they were passed, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    @classmethod
    def _learned_fields(cls) -> list[Field]:
        return [f for f in fields(cls) if "shape" in f.metadata]

    def arrays(self) -> dict[str, np.ndarray]:
        """Every learned array by name; what is not learned yet is absent."""
        values = {f.name: getattr(self, f.name) for f in self._learned_fields()}
        kept = {name: value for name, value in values.items() if value is not None}
        if self._recent is not None:
            kept["_recent_items"] = self._recent.items
        if self._withdrawn is not None:
            kept["_withdrawn"] = self._withdrawn
        return kept

    def save(self, path: str | Path, **extra: Any) -> None:
        """Write the model to one checked file; `extra` (JSON values) joins the header."""
        header = {
            **extra,
            "type": self.type_name,
            "version": FORMAT_VERSION,
            "params": self.params(),
            "explore_stream": generator_state(self._rng),
            "counters": self.counters(),
        }
        save_arrays(path, self.arrays(), header)

    def counters(self) -> dict[str, Any]:
        """Learned values that are not arrays, as JSON values; `_set_counters` takes them back."""
        return {name: getattr(self, name) for name in self.counted}

    def _set_counters(self, counters: dict[str, Any]) -> None:
        if counters.keys() - set(self.counted):
            raise DamagedFile(f"{type(self).__name__}: the file has counters it does not know.")
        for name in self.counted:
            try:
                setattr(self, name, int(counters[name]))
            except (KeyError, TypeError, ValueError) as error:
                raise DamagedFile(f"{type(self).__name__}: bad counters ({error}).") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that was saved, after checking bytes, type, version and every shape."""
        header, arrays = load_arrays(path)
        if header.get("type") != cls.type_name:
            raise DamagedFile(
                f"{path}: holds a model of type '{header.get('type')}', not '{cls.type_name}'. "
                "Load it with that class."
            )
        if header.get("version") != FORMAT_VERSION:
            raise DamagedFile(
                f"{path}: written in format {header.get('version')}; this version of recloop reads "
                f"format {FORMAT_VERSION}. Train again."
            )
        try:
            model = cls(**header["params"])
        except TypeError as error:
            raise DamagedFile(
                f"{path}: its parameters do not fit {cls.__name__} ({error})."
            ) from None
        model._take(path, arrays)
        model._rng = restored_generator(header["explore_stream"])
        model._set_counters(header["counters"])
        return model

    def _take(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        recent = arrays.pop("_recent_items", None)
        if recent is not None:
            self._recent = RecentItems(self.n_users, self.history_length)
            self._same_shape(path, "_recent_items", recent, self._recent.items.shape)
            self._recent.items = recent
        withdrawn = arrays.pop("_withdrawn", None)
        if withdrawn is not None:
            self._same_shape(path, "_withdrawn", withdrawn, (self.n_items,))
            self._withdrawn = withdrawn.astype(np.bool_)
        expected = {f.name: f.metadata["shape"] for f in self._learned_fields()}
        for name in expected.keys() | arrays.keys():
            if name not in expected:
                raise DamagedFile(
                    f"{path}: has an array '{name}' that {type(self).__name__} lacks."
                )
            if name not in arrays and getattr(self, name) is not None:
                raise DamagedFile(f"{path}: lacks the array '{name}' of {type(self).__name__}.")
            if name in arrays:
                shape = tuple(self._size(dimension) for dimension in expected[name])
                self._same_shape(path, name, arrays[name], shape)
                setattr(self, name, arrays[name])

    def _size(self, dimension: str | int) -> int | None:
        if dimension == "?":
            return None
        return dimension if isinstance(dimension, int) else getattr(self, dimension)

    def _same_shape(
        self, path: str | Path, name: str, array: np.ndarray, shape: tuple[int | None, ...]
    ) -> None:
        fits = array.ndim == len(shape) and all(
            wanted is None or wanted == got for wanted, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise DamagedFile(
                f"{path}: array '{name}' has shape {array.shape}, "
                f"{type(self).__name__} needs {shape}."
            )
