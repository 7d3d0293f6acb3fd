r"""TeX in plain text, for a terminal.

>>> text(r"\hat m_t = m_t / (1 - \beta_1^t)")
'm̂ₜ = mₜ / (1 - β₁ᵗ)'
>>> text(r"\theta_t = \theta_{t-1} - \frac{\eta}{2} \sqrt{v_t + \epsilon}")
'θₜ = θₜ₋₁ - (η)/(2) √(vₜ + ε)'
"""

import re
import unicodedata

SIGNS = {
    "leftarrow": "←", "odot": "⊙", "oslash": "⊘", "cdot": "·", "times": "×", "top": "ᵀ",
    "ge": "≥", "le": "≤", "ne": "≠", "mid": "|", "wedge": "and", "vee": "or", "infty": "∞",
    "sum": "Σ", "prod": "Π", "dots": "…", "quad": " ", "qquad": " ", "ell": "ℓ", "bmod": "mod",
    "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|", "langle": "⟨", "rangle": "⟩",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "left": "", "right": "", "star": "*",
    "varepsilon": "ε", "varphi": "φ", "vartheta": "θ", "_": "_",
}  # fmt: skip
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "check": "\u030c", "dot": "\u0307"}
BELOW = str.maketrans("0123456789+-=()aeijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
ABOVE = str.maketrans("0123456789+-=()tTkn", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵗᵀᵏⁿ")


def letter(name: str) -> str:
    """The sign that a command stands for, or its name."""
    if name in SIGNS:
        return SIGNS[name]
    case = "CAPITAL" if name[0].isupper() else "SMALL"
    found = f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"
    try:
        return unicodedata.lookup(found)
    except KeyError:
        return name


def script(m: re.Match[str]) -> str:
    """A sub- or superscript in letters of its own, or in brackets where there are none."""
    sign, said = m[1], m[2].replace(" ", "")
    table = BELOW if sign == "_" else ABOVE
    if all(ord(c) in table or c == "ᵀ" for c in said):
        return said.translate(table)
    return sign + (said if len(said) == 1 else f"({said})")


def accented(m: re.Match[str]) -> str:
    sign = letter((m[2] or m[3]).strip("\\")) + ACCENTS[m[1]]
    return unicodedata.normalize("NFC", sign)


def text(tex: str) -> str:
    """One line of plain text that says what an equation says."""
    tex = re.sub(r"\\begin\{cases\}(.*?)\\end\{cases\}", r"[\1]", tex)
    tex = tex.replace(r"\\", "; ").replace("&", "").replace(r"\_", "\0")
    tex = re.sub(r"\\(?:text|mathbf|mathcal|operatorname)\{([^{}]*)\}", r"\1", tex)
    tex = re.sub(r"\\[,;:! ]", " ", tex)
    tex = re.sub(
        r"\\(hat|tilde|bar|check|dot)(?![a-z])\s*(?:\{(\\?[A-Za-z]+)\}|(\\[A-Za-z]+|[A-Za-z]))",
        accented,
        tex,
    )
    tex = re.sub(r"([_^])([^\s{\\])", r"\1{\2}", tex)
    tex = re.sub(r"([_^])(\\[A-Za-z]+)", r"\1{\2}", tex)
    tex = re.sub(r"\\(?!frac|sqrt)([A-Za-z]+)", lambda m: letter(m[1]), tex).replace("'", "′")
    for _ in range(8):  # from the inside out
        tex = re.sub(r"([_^])\{([^{}]*)\}", script, tex)
        tex = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r"√(\1)", tex)
        tex = re.sub(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"(\1)/(\2)", tex)
    tex = re.sub(r"(‖|\|) *(.*?) *\1", r"\1\2\1", tex)
    return re.sub(r"(?<=[(\[]) +| +(?=[)\];])| (?= )", "", tex).replace("\0", "_")


def width(said: str) -> int:
    """How many columns a text takes in a terminal."""
    return sum(not unicodedata.combining(c) for c in said)
