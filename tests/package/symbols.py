"""Which names a shared library exports, and whether they are those that it should.

    symbols.py LIBRARY     prints the names, as they stand in the list exported-symbols beside this file
"""
import re
import subprocess
import sys
from pathlib import Path

# What only the library itself knows: no name that is exported says a word of these, not even as the type of a parameter.
INTERNAL = re.compile(r"\bsluice::v0::(core|links|mechanism|os)::|\(anonymous namespace\)")


def demangled(*arguments):
    """(kind, name) of each symbol, as nm(1) prints them."""
    printed = subprocess.run(["nm", "--demangle", "--defined-only", "--without-symbol-versions", *map(str, arguments)],
                             check=True, capture_output=True, text=True).stdout
    return re.findall(r"^[0-9a-f]+ (\S) (.+)$", printed, re.MULTILINE)


def exported_by(library):
    """The exported names. Not those of kind A: the version of all the others (cmake/exports.map.in)."""
    return {name for kind, name in demangled("--dynamic", library) if kind != "A"}


def public_in(objects):
    """What the objects of the library define that isn't internal: functions and data, but nothing that stands in a header."""
    return {name for kind, name in demangled(*objects)
            if kind in "TDBR" and "sluice::v0::" in name and not INTERNAL.search(name)}


def listed_in(file):
    return [line for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]


def complaints(exported, listed, public):
    """What is wrong; nothing if the exported names are the listed ones and the public ones."""
    found = [f"listed twice, or not sorted: {later}" for earlier, later in zip(listed, listed[1:]) if earlier >= later]
    found += [f"exported, but not in the list: {name}" for name in sorted(exported - set(listed))]
    found += [f"in the list, but not exported: {name}" for name in sorted(set(listed) - exported)]
    found += [f"exported, but internal (SLUICE_LOCAL?): {name}" for name in sorted(exported) if INTERNAL.search(name)]
    found += [f"exported, but not of sluice::v0: {name}" for name in sorted(exported)
              if not re.search(r"^((vtable|typeinfo|typeinfo name) for )?sluice::v0::", name)]
    found += [f"public, but not exported (SLUICE_API?): {name}" for name in sorted(public - exported)]
    return found


if __name__ == "__main__":
    print("\n".join(sorted(exported_by(sys.argv[1]))))
