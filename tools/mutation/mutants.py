"""Every small change to a source file that a test should notice.

The operators are mutmut's, called as a library, and a few of our own that suit numeric code.
mutmut's own runner leaves decorated functions and module constants alone, which would spare every
compiled kernel, property and default; here only annotations, imports, decorators, docstrings and
the texts of raised errors are spared.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

TWINS = [
    ("min", "max"),
    ("minimum", "maximum"),
    ("argmin", "argmax"),
    ("fmin", "fmax"),
    ("any", "all"),
    ("zeros", "ones"),
    ("floor", "ceil"),
    ("mean", "sum"),
    ("nanmean", "nansum"),
    ("cumsum", "cumprod"),
    ("left", "right"),
    ("first", "last"),
    ("logical_and", "logical_or"),
]
OTHER_TWIN = {a: b for pair in TWINS for a, b in (pair, pair[::-1])}


def negate_condition(node: cst.If | cst.While | cst.IfExp) -> Iterable[cst.CSTNode]:
    """`if c` becomes `if not c`; comparisons and `not` have operators of their own."""
    if not isinstance(node.test, cst.Comparison | cst.UnaryOperation):
        wrapped = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), wrapped))


def return_nothing(node: cst.Return) -> Iterable[cst.CSTNode]:
    """`return value` becomes `return None`."""
    if node.value and not m.matches(node.value, m.Name("None")):
        yield node.with_changes(value=cst.Name("None"))


def take_the_twin(node: cst.Call) -> Iterable[cst.CSTNode]:
    """`np.minimum(a, b)` becomes `np.maximum(a, b)`, and so on."""
    name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    if isinstance(name, cst.Name) and name.value in OTHER_TWIN:
        yield node.with_deep_changes(name, value=OTHER_TWIN[name.value])


def text_twin(node: cst.SimpleString) -> Iterable[cst.CSTNode]:
    """`side="left"` becomes `side="right"`: a value that is allowed, unlike a garbled one."""
    if (text := node.evaluated_value) in OTHER_TWIN and isinstance(text, str):
        yield node.with_changes(value=repr(OTHER_TWIN[text]))


OPERATORS: list[tuple[Any, Any]] = [
    *mutation_operators,
    (cst.If | cst.While | cst.IfExp, negate_condition),
    (cst.Return, return_nothing),
    (cst.Call, take_the_twin),
    (cst.SimpleString, text_twin),
]
NEVER_ENTERED = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.TypeAlias)
TYPES = {"NDArray", "Literal", "Callable", "Sequence", "Mapping", "Annotated"}
CALLS_OF_NO_INTEREST = {"len", "isinstance", "TypeVar", "cast"}


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, what stood there, what stands there now."""

    file: str
    function: str  # dotted, "" outside of functions
    lines: tuple[int, int]
    statement: tuple[int, int]
    text: str  # the first line of the change, as it stands in the file
    before: str
    after: str
    nodes: tuple[cst.CSTNode, cst.CSTNode] = field(repr=False, compare=False)

    @property
    def change(self) -> str:
        """`before -> after`, each on one line."""
        return f"{self.before} -> {self.after}"


class MutatedFile:
    """A source file and its mutants."""

    def __init__(self, root: Path, file: str) -> None:
        self.file = file
        self.source = (root / file).read_text(encoding="utf-8")
        wrapper = MetadataWrapper(cst.parse_module(self.source))
        self.module = wrapper.module
        finder = _Finder(file, self.source.splitlines(), self.module)
        wrapper.visit(finder)
        self.mutants = list(dict.fromkeys(finder.mutants))

    def code(self, mutant: Mutant) -> str:
        """The whole file with this one change."""
        changed = self.module.deep_replace(*mutant.nodes)
        assert isinstance(changed, cst.Module)
        return changed.code


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, file: str, lines: list[str], module: cst.Module) -> None:
        self.mutants: list[Mutant] = []
        self._file, self._lines, self._module = file, lines, module
        self._names: list[str] = []
        self._statements: list[tuple[int, int]] = [(1, 1)]
        self._n_functions = self._n_raises = self._n_signatures = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, NEVER_ENTERED) or _is_spared(node):
            return False
        self._count(node, 1)
        if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            self._statements.append(self._span(node))
        self.mutants.extend(self._mutants_of(node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, NEVER_ENTERED) or _is_spared(original_node):
            return
        self._count(original_node, -1)
        if isinstance(original_node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            self._statements.pop()

    def _count(self, node: cst.CSTNode, step: int) -> None:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            if step > 0:
                self._names.append(node.name.value)
            else:
                self._names.pop()
        self._n_functions += step * isinstance(node, cst.FunctionDef)
        self._n_signatures += step * isinstance(node, cst.Parameters)
        self._n_raises += step * isinstance(node, cst.Raise)

    def _mutants_of(self, node: cst.CSTNode) -> Iterator[Mutant]:
        for kind, operator in OPERATORS:
            if not isinstance(node, kind) or (operator is operator_string and self._n_raises):
                continue
            for changed in operator(node):
                first, last = self._span(node)
                runs_on_call = self._n_functions > 0 and self._n_signatures < self._n_functions
                yield Mutant(
                    file=self._file,
                    function=".".join(self._names) if runs_on_call else "",
                    lines=(first, last),
                    statement=self._statements[-1],
                    text=self._lines[first - 1].strip(),
                    before=self._shown(node),
                    after=self._shown(changed),
                    nodes=(node, changed),
                )

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        position = self.get_metadata(PositionProvider, node)
        last = position.end.line
        if isinstance(node, cst.BaseCompoundStatement):
            body = self.get_metadata(PositionProvider, node.body)
            last = max(position.start.line, body.start.line - 1)
        return position.start.line, last

    def _shown(self, node: cst.CSTNode) -> str:
        code = self._module.code_for_node(node)
        if isinstance(node, cst.BaseCompoundStatement):
            code = code.strip().split("\n")[0]
        return " ".join(code.split())


def _is_spared(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Expr) and isinstance(
        node.value, cst.SimpleString | cst.ConcatenatedString
    ):
        return True  # a docstring
    if isinstance(node, cst.Assign) and (
        m.matches(node.targets[0].target, m.Name("__all__")) or _is_type(node.value)
    ):
        return True
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Name)
        and node.func.value in CALLS_OF_NO_INTEREST
    )


def _is_type(node: cst.BaseExpression) -> bool:
    """`Any`, `NDArray[...]`: the right side of a type alias."""
    base = node.value if isinstance(node, cst.Subscript) else node
    names = TYPES if isinstance(node, cst.Subscript) else {"Any"}
    return isinstance(base, cst.Name) and base.value in names
