# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""concepts.py INCLUDE: every public name of the headers is in concepts.md; no page has a name that is in no header.

Public are the types, aliases, concepts, functions and macros outside of the folders and namespaces `detail`,
and the types inside public classes. The headers are read as .clang-format leaves them: what is in a namespace
is not indented, what is in a class is by four spaces.
"""

import re
import sys
from pathlib import Path

TYPE = re.compile(r"( {4})?(?:class|struct|enum class|enum|concept) (?:IVSHMEM_API |IVSHMEM_HIDDEN )?(\w+)(?: final)?(?: [:{=].*)?$")
ALIAS = re.compile(r"using (\w+) =")
FUNCTION = re.compile(r"(?!using |return |friend |requires|template|typedef|static_assert)[\w\[].*?\b(\w+)\(")
MACRO = re.compile(r"#define (IVSHMEM_\w+)")


def public_names(text: str) -> set[str]:
    """The names that a header defines, as Class::name if they belong to a class that is no basic_ template."""
    names = set()
    outer = None
    private = detail = False
    for line in text.splitlines():
        line = re.sub(r"\s*//.*", "", line)
        if line.startswith("namespace"):
            detail = "detail" in line
        elif line == "} // namespace detail" or (line == "}" and detail):
            detail = False
        elif match := MACRO.match(line):
            names.add(match[1])
        elif detail or not line:
            continue
        elif match := TYPE.match(line):
            if not match[1]:
                outer = match[2] if line.endswith(("{", match[2])) or " : " in line else None
                private = False
                names.add(match[2])
            elif outer and not private:
                names.add(match[2] if outer.startswith("basic_") else f"{outer}::{match[2]}")
        elif line.startswith("  private:") or line.startswith("  protected:"):
            private = True
        elif line.startswith("  public:"):
            private = False
        elif line.startswith("}"):
            outer = None
        elif match := ALIAS.match(line):
            names.add(match[1])
        elif (match := FUNCTION.match(line)) and not match[0].endswith(f"::{match[1]}("): # not a member
            names.add(match[1])
    return names


def main() -> int:
    include = Path(sys.argv[1])
    page = (include / "concepts.md").read_text("utf-8")
    headers = [path for path in sorted((include / "ivshmem").rglob("*.hpp*")) if "detail" not in path.parts]
    assert headers
    wrong = 0
    for header in headers:
        for name in sorted(public_names(header.read_text("utf-8"))):
            if not re.search(rf"(?<!\w){name}(?!\w)", page):
                print(f"{header.relative_to(include)}: {name}: not in concepts.md")
                wrong += 1
    words = set(re.findall(r"\w+", " ".join(header.read_text("utf-8") for header in headers)))
    for other in sorted(include.glob("*.md")):
        for name in sorted(set(re.findall(r"\b(?:ivshmem|errc)(?:::\w+)+", other.read_text("utf-8")))):
            if not words.issuperset(name.split("::")):
                print(f"{other.name}: {name}: in no header")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
