r"""The grammar of the equations: from TeX to a tree. docs/tex.md says how equations are written.

What TeX would print otherwise than it reads, or a reader could take in two ways, is refused.

>>> parse(r"m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t").right[0].op
'+'
>>> try:
...     parse(r"y_t = a / b c")
... except TexError as e:
...     print(e)
a / b c is ambiguous: write \frac{a}{b} c or parentheses
    y_t = a / b c
                ^
"""

import functools
import re
from typing import Any, NamedTuple, NoReturn

LEX = re.compile(
    r"\s+|\\(?:begin|end)\{cases\}|\\operatorname\{[A-Za-z0-9\\_]+\}|\\text\{[^{}]*\}"
    r"|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|.",
    re.DOTALL,
)
SPACE = {r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad", r"\left", r"\right", "~"}
ALIAS = {r"\geq": r"\ge", r"\leq": r"\le", r"\neq": r"\ne", r"\ldots": r"\dots", r"\ln": r"\log"}
ACCENTS = {r"\hat", r"\tilde", r"\bar", r"\check", r"\dot", r"\mathbf", r"\mathcal"}
LETTERS = set(
    re.findall(
        r"\\[A-Za-z]+",
        r"\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \vartheta "
        r"\kappa \lambda \mu \nu \xi \pi \rho \sigma \tau \phi \varphi \chi \psi \omega \Gamma "
        r"\Delta \Theta \Lambda \Xi \Pi \Sigma \Phi \Psi \Omega \ell \infty \max \min",
    )
)
FUNCTIONS = {r"\max": "max", r"\min": "min", r"\cos": "cos", r"\sin": "sin", r"\tanh": "tanh"}
FUNCTIONS |= {r"\exp": "exp", r"\log": "log"}
FOLDS = {r"\sum": "sum", r"\prod": "prod", r"\max": "max", r"\min": "min"}
RELATIONS = {"=", "<", ">", r"\ge", r"\le", r"\ne", r"\mid"}
BRACKETS = {"(": ")", "[": "]", "{": "}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
PAIRED = {r"\lVert": r"\rVert", r"\lvert": r"\rvert"}
PRODUCTS = {"/", r"\odot", r"\oslash", r"\cdot", r"\times"}
ENDS = (
    {"", "+", "-", ")", "]", "}", ",", ".", ";", "&", "^", "_", "'", "|", r"\\", r"\bmod", r"\dots"}
    | {r"\wedge", r"\vee", r"\leftarrow", r"\end{cases}", r"\rangle", *PAIRED.values()}
    | {*BRACKETS.values(), *PRODUCTS, *RELATIONS}
)
"""What no factor begins with."""


class TexError(ValueError):
    """What is wrong with an equation, and where."""

    def __init__(self, what: str, tex: str, at: int) -> None:
        self.what, self.tex, self.at = what, tex, at
        super().__init__(f"{what}\n    {tex}\n    {' ' * at}^")


class Token(NamedTuple):
    s: str
    at: int


class Node(NamedTuple):
    """An operation, what it is of (nodes, strings, tuples of them) and where it stands."""

    op: str
    args: tuple[Any, ...]
    at: int


class Equation(NamedTuple):
    """Names, and as many values, or one call that gives as many; none that were not to be read.

    `span` is a loop's index and range.
    """

    tex: str
    left: tuple[Node, ...]
    right: tuple[Node, ...]
    span: tuple[str, Node, Node] | None
    when: Node | None = None
    """The condition under which there is this equation, as it stands behind it."""


def lex(tex: str) -> list[Token]:
    found = [Token(ALIAS.get(m[0], m[0]), m.start()) for m in LEX.finditer(tex)]
    return [*(x for x in found if not x.s.isspace() and x.s not in SPACE), Token("", len(tex))]


@functools.lru_cache(maxsize=512)
def parse(tex: str, *, left_only: bool = False) -> Equation:
    r"""The tree of one equation, `name = ...` or `name \leftarrow ...`."""
    return Parser(tex).equation(left_only=left_only)


def symbol(tex: str) -> Node:
    r"""The tree of one name, such as `\beta_1`."""
    parser = Parser(tex)
    node = parser.name()
    if parser.s:
        parser.fail(f"one symbol is wanted, and here is also {parser.s}")
    return node


class Parser:
    """A descent: one method for each rule of the grammar."""

    def __init__(self, tex: str) -> None:
        self.tex, self.tokens, self.i = tex, lex(tex), 0

    @property
    def s(self) -> str:
        return self.tokens[self.i].s

    @property
    def at(self) -> int:
        return self.tokens[self.i].at

    def ahead(self, n: int = 1) -> str:
        return self.tokens[min(self.i + n, len(self.tokens) - 1)].s

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        raise TexError(what, self.tex, self.at if at is None else at)

    def take(self, *wanted: str) -> str:
        if wanted and self.s not in wanted:
            self.fail(f"expected {' or '.join(wanted)}, found {self.s or 'the end'}")
        self.i += 1
        return self.tokens[self.i - 1].s

    def equation(self, *, left_only: bool) -> Equation:
        names = self.left()
        if left_only:
            return Equation(self.tex, tuple(names), (), None)
        right, span = [self.expression()], None
        while self.s == "," and span is None:
            self.take()
            if self.ahead() == "=":  # , \quad k = 0, \dots, N-1
                span = (self.letter(), *self.range())
            else:
                right.append(self.expression())
        when = None
        if self.s.replace(" ", "") == r"\text{if}":
            self.take()
            when = self.condition()
        if self.s == ".":
            self.take()
        if self.s:
            self.fail(f"cannot read on from {self.s}")
        if len(right) not in {1, len(names)}:
            self.fail(f"{len(names)} symbols and {len(right)} values")
        return Equation(self.tex, tuple(names), tuple(right), span, when)

    def left(self) -> list[Node]:
        bracket = self.s == "("
        if bracket:
            self.take()
        names = [self.name()]
        while self.s == ",":
            self.take()
            names.append(self.name())
        if bracket:
            self.take(")")
        if self.s == "^":
            self.fail("the left side is a symbol, without a power")
        self.take("=", r"\leftarrow")
        return names

    def letter(self) -> str:
        if not self.s.isalpha():
            self.fail("an index is one letter")
        return self.take()

    def range(self) -> tuple[Node, Node]:
        self.take("=")
        low = self.expression()
        for s in (",", r"\dots", ","):
            self.take(s)
        return low, self.expression()

    def expression(self) -> Node:
        at = self.at
        sign = self.take() if self.s in {"+", "-"} else "+"
        node = self.term()
        if sign == "-":
            node = Node("negative", (node,), at)
        while self.s in {"+", "-"}:
            at, op = self.at, self.take()
            node = Node(op, (node, self.term()), at)
        return node

    def term(self) -> Node:
        node, closed = self.factor(), False
        while True:
            at, op = self.at, self.s
            if op in PRODUCTS or op == r"\bmod":
                self.take()
            elif op in ENDS or op.startswith(r"\text"):
                return node
            else:
                op = "*"
            if closed:
                self.fail(r"a / b c is ambiguous: write \frac{a}{b} c or parentheses", at)
            op = "*" if op in {r"\cdot", r"\times"} else op
            node = Node(op, (node, self.factor()), at)
            closed = op in {"/", r"\oslash", r"\bmod"}

    def factor(self) -> Node:
        node = self.primary()
        if self.s != "^":
            return node
        at = self.at
        self.take()
        if node.op == "name" and node.args[1]:
            self.fail("a prime and a power collide in TeX: put the symbol in parentheses", at)
        if self.s == "T":
            self.fail(r"the transpose is ^\top; a power T is ^{T}")
        if (self.s, self.ahead()) == ("{", r"\top"):
            self.take("{")
            self.take()
            self.take("}")
            node = Node("transpose", (node,), at)
        elif self.s == r"\top":
            self.take()
            node = Node("transpose", (node,), at)
        elif (self.s, self.ahead()) == ("{", r"\odot"):
            self.take("{")
            self.take()
            node = Node("^odot", (node, self.expression()), at)
            self.take("}")
        else:
            node = Node("^", (node, self.argument()), at)
        if self.s == "^":
            self.fail("two superscripts: use braces or parentheses")
        if self.s in {"_", "'"}:
            self.fail("the subscript, and the prime, stand before the superscript")
        return node

    def argument(self) -> Node:
        """What a superscript takes: a group in braces, or one token."""
        if self.s == "{":
            return self.braced()
        if self.s.isdigit() and len(self.s) > 1:
            self.fail(f"TeX takes only the first digit of {self.s}: use braces")
        if self.s in ENDS or self.s == r"\frac":
            self.fail("use braces")
        at, s = self.at, self.take()
        if s.isdigit():
            return Node("number", (s,), at)
        if not (s.isalpha() or s in LETTERS):
            self.fail("use braces", at)
        return Node("name", (s, 0, ()), at)

    def braced(self) -> Node:
        self.take("{")
        node = self.expression()
        self.take("}")
        return node

    def primary(self) -> Node:
        at, s = self.at, self.s
        if s == "|":
            self.fail(r"| opens and closes alike: write \lvert x \rvert, or \lVert x \rVert_2")
        if s == r"\|":
            self.fail(r"write \lVert x \rVert_2")
        if s in ENDS:
            self.fail(f"expected a value, found {s or 'the end'}")
        if s[0].isdigit():
            return Node("number", (self.take(),), at)
        if s == r"\begin{cases}":
            return self.cases()
        if s in FOLDS and self.ahead() == "_":
            return self.fold()
        if s.startswith(r"\operatorname") or s in FUNCTIONS:
            return self.call()
        method = HOW.get(s, Parser.name)
        return method(self)

    def bracketed(self) -> Node:
        at, s = self.at, self.take()
        node = self.expression()
        if s == "[" and self.s in RELATIONS:  # 1 where it holds, else 0
            node = self.related(node, at)
        if self.s == ",":
            self.fail("a tuple is no value")
        self.take(BRACKETS[s])
        of = {r"\lfloor": "floor", r"\lceil": "ceil"}.get(s)
        return Node("call", (of, (node,)), at) if of else Node("group", (node,), at)

    def fraction(self) -> Node:
        at = self.at
        self.take()
        parts = []
        for _ in range(2):
            if self.s != "{":
                self.fail(r"\frac takes two arguments in braces")
            parts.append(Node("group", (self.braced(),), at))
        return Node("/", tuple(parts), at)

    def root(self) -> Node:
        at = self.at
        self.take()
        if self.s != "{":
            self.fail(r"\sqrt takes its argument in braces")
        return Node("call", ("sqrt", (self.braced(),)), at)

    def inner(self) -> Node:
        at = self.at
        self.take()
        left = self.expression()
        self.take(",")
        right = self.expression()
        self.take(r"\rangle")
        return Node("call", ("inner product", (left, right)), at)

    def paired(self) -> Node:
        at, s = self.at, self.take()
        node = self.expression()
        self.take(PAIRED[s])
        if s == r"\lvert":
            return Node("call", ("abs", (node,)), at)
        if self.s != "_":
            self.fail(r"a norm has a name: \rVert_1, \rVert_2, \rVert_F, \rVert_\infty")
        self.take()
        braces = self.s == "{"
        if braces:
            self.take()
        which = self.take("1", "2", "F", "*", r"\infty").strip("\\")
        if braces:
            self.take("}")
        return Node("call", (f"norm-{which}", (node,)), at)

    def call(self) -> Node:
        at, s = self.at, self.take()
        name = FUNCTIONS.get(s, s[14:-1].replace("\\", ""))
        axes = self.axes() if self.s == "_" else None
        if self.s == "^":
            self.fail("the power of a value of a function stands behind parentheses around it")
        if self.s not in {"(", "["}:
            self.fail(f"the argument of {name} stands in parentheses")
        close = BRACKETS[self.take()]
        arguments = [self.expression()]
        while self.s == ",":
            self.take()
            arguments.append(self.expression())
        self.take(close)
        if axes:
            return Node("along", (name, tuple(arguments), axes), at)
        return Node("call", (name, tuple(arguments)), at)

    def axes(self) -> tuple[str, Node]:
        r"""The axes that a function goes along: that of _j, those of _{\ge a}."""
        self.take()
        if self.s != "{":
            return "=", self.argument()
        self.take()
        which = self.take() if self.s == r"\ge" else "="
        node = self.expression()
        self.take("}")
        return which, node

    def fold(self) -> Node:
        r"""\sum_{i=1}^{n} term, or \sum_{i} term over all that i runs through."""
        at, op = self.at, FOLDS[self.take()]
        self.take("_")
        if self.s == "{":
            self.take()
            index, low = self.letter(), None
            if self.s == "=":
                self.take()
                low = self.expression()
            self.take("}")
        else:
            index, low = self.letter(), None
        high = None
        if low is not None:
            self.take("^")
            high = self.argument()
        return Node("fold", (op, index, low, high, self.term()), at)

    def cases(self) -> Node:
        at, arms = self.at, []
        self.take()
        while True:
            value = self.expression()
            self.take("&")
            here, word = self.at, self.take()
            if word.replace(" ", "") not in {r"\text{if}", r"\text{otherwise}"}:
                self.fail(r"an arm reads: value & \text{if } condition", here)
            condition = None if "otherwise" in word else self.condition()
            arms.append((condition, value))
            if self.take(r"\\", r"\end{cases}") == r"\end{cases}":
                break
            if self.s == r"\end{cases}":
                self.take()
                break
        if arms[-1][0] is not None:
            self.fail(r"the last arm reads: value & \text{otherwise}", at)
        return Node("cases", tuple(arms), at)

    def condition(self) -> Node:
        at, node = self.at, self.expression()
        if self.s in RELATIONS:
            node = self.related(node, at)
        if self.s in {r"\wedge", r"\vee"}:
            op = self.take()
            node = Node(op, (node, self.condition()), at)
        return node

    def related(self, left: Node, at: int) -> Node:
        return Node("relation", (self.take(), left, self.expression()), at)

    def name(self) -> Node:
        """Accents, a letter, primes and subscripts."""
        at, accents, letter = self.at, [], ""
        while self.s in ACCENTS:
            accents.append(self.take())
            if self.s == "{" and self.ahead(2) == "}":
                self.take()
                letter = self.take()
                self.take("}")
                break
        letter = letter or self.take()
        if letter not in LETTERS and not (letter.isalpha() or (accents and letter == "1")):
            self.fail(f"{letter or 'the end'} is not in the grammar", at)
        primes, subscripts = 0, tuple[tuple[Token, ...], ...]()
        while self.s == "'":
            self.take()
            primes += 1
        above = self.superscript()
        if self.s == "_":
            self.take()
            subscripts = self.subscripts()
        letter += above or self.superscript()
        if self.s in {"'", "_"}:
            self.fail("the prime stands before the subscript, and there is one subscript")
        return Node("name", (" ".join([*accents, letter]), primes, subscripts), at)

    def superscript(self) -> str:
        r"""A label that stands above, as in v^{\max}_t; a power is none."""
        label = self.ahead(2)
        known = label in {r"\max", r"\min", r"\star"} or label.startswith(r"\text")
        if (self.s, self.ahead(), self.ahead(3)) != ("^", "{", "}") or not known:
            return ""
        self.i += 4
        return "^" + label.removeprefix(r"\text").strip("{}")

    def subscripts(self) -> tuple[tuple[Token, ...], ...]:
        """The parts between the commas, each as it stands."""
        if self.s != "{":
            if self.s.isdigit() and len(self.s) > 1:
                self.fail(f"TeX takes only the first digit of {self.s}: use braces")
            if self.s in ENDS:
                self.fail("expected a subscript")
            start = self.i
            self.take()
            return ((self.tokens[start],),)
        self.take()
        parts = []
        while True:
            start = self.i
            while self.s not in {",", "}", ""}:
                self.i += 1
            if start == self.i:
                self.fail("expected a subscript")
            parts.append(tuple(self.tokens[start : self.i]))
            if self.take(",", "}") == "}":
                return tuple(parts)


HOW = {
    **dict.fromkeys(BRACKETS, Parser.bracketed),
    **dict.fromkeys(PAIRED, Parser.paired),
    r"\frac": Parser.fraction,
    r"\sqrt": Parser.root,
    r"\langle": Parser.inner,
}
"""How a value is read that does not begin with a name."""
