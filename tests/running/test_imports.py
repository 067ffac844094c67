"""Processes that tests start import what is slow to import only when they use it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, nbformat, jsonschema
print("lark" in sys.modules)
print([jsonschema.FormatChecker().conforms(value, "iri") for value in ("https://a/ü", "no iri", "a:b")])
"""


def test_the_grammars_of_jsonschema_are_built_when_one_is_used_and_give_the_same_answers() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n[True, False, True]\n"
