"""Small changes of the code, each of which a test should notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import accumulate
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: bytes `start` to `end` of the file at `path` (relative to the root) become `replacement`."""

    path: str
    line: int
    start: int
    end: int
    replacement: str

    def apply(self, source: bytes) -> bytes:
        """The file with the change made."""
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def diff(self, root: Path) -> str:
        """The change as a unified diff without context."""
        source = (root / self.path).read_bytes()
        before, after = source.decode().splitlines(), self.apply(source).decode().splitlines()
        return "\n".join(unified_diff(before, after, self.path, self.path, lineterm="", n=0))

    def key(self, root: Path) -> tuple[str, str, str]:
        """The file, the changed lines before and after: the same wherever these lines move within the file."""
        return read_key(self.diff(root))


def read_key(diff: str) -> tuple[str, str, str]:
    """The key of the mutant that this diff shows."""
    head, _, *changed = diff.splitlines()
    before = [text[1:].strip() for text in changed if text.startswith("-")]
    after = [text[1:].strip() for text in changed if text.startswith("+")]
    return head.removeprefix("--- "), "\n".join(before), "\n".join(after)


def find_mutants(root: Path, path: str) -> list[Mutant]:
    """Every mutant of one file, in the order of the code."""
    source = _Source((root / path).read_bytes())
    return [
        Mutant(path, node.lineno, *source.place(node), text)
        for node, text in _changes(ast.parse(source.code), source)
        if text != source.text(node)
    ]


class _Source:
    """The bytes of a file, and where each node is in them: `ast.get_source_segment` splits the whole file each time."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self._starts = [0, *accumulate(map(len, code.splitlines(keepends=True)))]

    def place(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """The first byte and the one after the last."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr | ast.stmt) -> str:
        """The code of the node."""
        start, end = self.place(node)
        return self.code[start:end].decode()


def _changes(tree: ast.Module, source: _Source) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    ignored = {id(part) for node in ast.walk(tree) for part in _without_behaviour(node)}
    for node in _walk(tree, ignored):
        if isinstance(node, ast.expr):
            yield from ((node, text) for text in _expressions(node, source))
        elif isinstance(node, ast.stmt):
            yield from _statements(node, source)


def _walk(node: ast.AST, ignored: set[int]) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if id(child) not in ignored:
            yield child
            yield from _walk(child, ignored)


def _without_behaviour(node: ast.AST) -> Iterator[ast.AST]:
    """Annotations, assertions, imports, messages, docstrings, and what only type checkers read."""
    if isinstance(node, ast.AnnAssign):
        yield node.annotation
    if isinstance(node, ast.arg) and node.annotation:
        yield node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
        yield node.returns
    if isinstance(node, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
        yield node
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        yield node
    if isinstance(node, ast.ClassDef):
        yield from node.decorator_list  # that values are frozen is for the type checker
    if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases):
        yield node


def _expressions(node: ast.expr, source: _Source) -> Iterator[str]:  # noqa: C901  # one case per kind of expression
    def text(part: ast.expr) -> str:
        code = source.text(part)
        return f"({code})" if isinstance(part, ast.NamedExpr) else code

    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            yield f"{text(left)} {_COMPARISONS[type(operator)]} {text(right)}"
        case ast.BoolOp(op=operator, values=[first, *rest]):
            other = " or " if isinstance(operator, ast.And) else " and "
            yield f"({other.join(map(text, [first, *rest]))})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield text(operand)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            if not _is_type_or_text(left) and not _is_type_or_text(right):
                yield f"{text(left)} {_ARITHMETIC[type(operator)]} {text(right)}"
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield f"({text(orelse)} if {text(test)} else {text(body)})"
        case ast.Call(func=ast.Name(id=name), args=[_, *_]) if name in _CALLS:
            yield _CALLS[name] + text(node)[len(name) :]
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            yield str(value + 1)


def _is_type_or_text(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)) or isinstance(node, ast.JoinedStr)


def _statements(node: ast.stmt, source: _Source) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    match node:
        case ast.If(test=test) | ast.While(test=test):
            yield test, f"not ({source.text(test)})"
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield node, "pass"
        case ast.Return(value=ast.expr() as value) if not _is_switch(value):
            yield value, "None"
        case ast.Raise(exc=ast.expr()):
            yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case ast.Break():
            yield node, "continue"


def _is_switch(node: ast.expr) -> bool:
    """None, or a value that is changed to its opposite anyway."""
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))
