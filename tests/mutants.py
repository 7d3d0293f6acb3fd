"""Every way in which an equation, or its line, is wrong by one sign, index, letter or number."""

import ast
import re
from collections.abc import Iterator

from goldstep.oracle import tex as grammar

SWAPS = {
    "+": ["-"],
    "-": ["+"],
    r"\max": [r"\min"],
    r"\min": [r"\max"],
    ">": ["<", r"\le"],
    "<": [">", r"\ge"],
    r"\ge": ["<"],
    r"\le": [">"],
    "=": [r"\ne"],
    r"\ne": ["="],
    r"\odot": [r"\oslash"],
    r"\oslash": [r"\odot"],
    r"\cos": [r"\sin"],
    r"\sum": [r"\prod"],
    r"\wedge": [r"\vee"],
    r"\hat": [""],
    r"\tilde": [""],
    r"\bar": [""],
    "'": [""],
}


SHAPE_OF = {rf"\operatorname{{{f}}}" for f in ("rows", "cols", "size", "ndim")}
"""Functions that say the same of whatever has the same shape."""


def of_tex(tex: str, symbols: list[str]) -> Iterator[str]:
    """Equations that differ from `tex` in one place. `symbols` are the letters of the rule."""
    tokens = grammar.lex(tex)[:-1]
    equals = next(i for i, t in enumerate(tokens) if t.s in {"=", r"\leftarrow"})
    for i, token in enumerate(tokens):
        end = token.at + len(token.s)
        for new in instead(tokens, i, symbols) if i != equals else ():
            gap = " " if new[-1:].isalpha() and tex[end : end + 1].isalpha() else ""
            yield tex[: token.at] + new + gap + tex[end:]
    for m in re.finditer(re.escape(r"^\top"), tex):
        yield tex[: m.start()] + tex[m.end() :]


def instead(tokens: list[grammar.Token], i: int, symbols: list[str]) -> Iterator[str]:
    """What may stand by mistake for the token at `i`."""
    s, before = tokens[i].s, tokens[i - 1].s
    yield from SWAPS.get(s, [])
    if s[0].isdigit():
        yield f"{float(s) + 1:g}" if "." in s else str(int(s) + 1)
    if s == r"\sqrt" or s.startswith(r"\operatorname"):
        yield ""
    if s == "t" and [x.s for x in tokens[i + 1 : i + 3]] == ["-", "1"]:
        yield "t+1"
    elif s == "t" and before in {"_", "{"}:
        yield "{t-1}" if before == "_" else "t-1"
    of_shape = before == "(" and tokens[i - 2].s in SHAPE_OF
    if s in symbols and not of_shape:
        yield from (other for other in symbols if other != s)


class Change(ast.NodeTransformer):
    """The tree with its `n`th change made; `made` says whether there was one."""

    def __init__(self, n, names):
        self.n, self.names, self.made = n, names, False

    def turn(self):
        self.n -= 1
        self.made |= self.n == -1
        return self.n == -1

    def visit_BinOp(self, node):
        if isinstance(node.op, ast.BitOr):  # of two dicts: what is on the right replaces all
            node.right = self.visit(node.right)
            return node
        if isinstance(node.op, ast.Div) and ast.unparse(node.right).startswith("xp.where("):
            node.left = self.visit(node.left)  # what guards a quotient that is not taken
            node.right.args[1] = self.visit(node.right.args[1])
            return node
        self.generic_visit(node)
        others = {
            ast.Add: [ast.Sub],
            ast.Sub: [ast.Add],
            ast.Mult: [ast.Div],
            ast.Div: [ast.Mult],
            ast.Pow: [ast.Mult],
            ast.Mod: [ast.Mult],
        }
        for other in others.get(type(node.op), []):
            if self.turn():
                node.op = other()
        if isinstance(node.op, ast.MatMult) and self.turn():
            node.left, node.right = node.right, node.left
        return node

    def visit_Constant(self, node):
        number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return ast.Constant(node.value + 1) if number and self.turn() else node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        return node.operand if isinstance(node.op, ast.USub) and self.turn() else node

    def visit_Compare(self, node):
        self.generic_visit(node)
        others = {
            ast.Gt: ast.LtE,
            ast.Lt: ast.GtE,
            ast.GtE: ast.Lt,
            ast.LtE: ast.Gt,
            ast.Eq: ast.NotEq,
            ast.NotEq: ast.Eq,
        }
        if self.turn():
            node.ops = [others[type(node.ops[0])]()]
        return node

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_like"):
            node.args[1:] = [self.visit(a) for a in node.args[1:]]
            return node
        if isinstance(node.func, ast.Name) and node.func.id == "eye":
            node.args[0] = self.visit(node.args[0])  # the second is there for its type
            return node
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute):
            other = {"maximum": "minimum", "minimum": "maximum", "max": "min"}.get(node.func.attr)
            if other and self.turn():
                node.func.attr = other
            if node.func.attr in {"sqrt", "sign", "abs", "square"} and self.turn():
                return node.args[0]
        if isinstance(node.func, ast.Name) and node.func.id in {"max", "min"} and self.turn():
            node.func.id = {"max": "min", "min": "max"}[node.func.id]
        return node

    def visit_Attribute(self, node):
        if node.attr in {"ndim", "shape", "size", "dtype", "device"}:
            return node  # whatever has the same shape says the same
        self.generic_visit(node)
        return node.value if node.attr in {"T", "mT"} and self.turn() else node

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load) and node.id in self.names:
            for other in self.names:
                if other != node.id and self.turn():
                    return ast.Name(other, ast.Load())
        return node

    def visit_comprehension(self, node):  # what is gone through, and not what is said of it
        return node


def of_code(code: str, names: list[str]) -> Iterator[str]:
    """Lines that differ from `code` in one place. `names` are the variables of the rule."""
    n = 0
    while True:
        change = Change(n, names)
        tree = change.visit(ast.parse(code))
        if not change.made:
            return
        changed = ast.unparse(ast.fix_missing_locations(tree))
        if changed != ast.unparse(ast.parse(code)):
            yield changed
        n += 1
