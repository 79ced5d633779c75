"""The built-ins that policies may call, each with the reason why both engines answer alike.

`tests/contract/test_builtins.py` asks both over edge cases. A new one needs cases there.
"""

from __future__ import annotations

from collections.abc import Mapping

BUILT_INS: Mapping[str, str] = {
    "array.concat": "two lists in order; anything else is an error",
    "concat": "texts in order, those of a set sorted; anything else is an error",
    "contains": "compares code points; anything but text is an error",
    "count": "of lists, sets and objects; of texts engines count other units beyond U+FFFF",
    "endswith": "compares code points; anything but text is an error",
    "is_array": "true or false for every value",
    "is_boolean": "true or false for every value",
    "is_number": "true or false for every value",
    "is_object": "true or false for every value",
    "is_set": "true or false for every value",
    "is_string": "true or false for every value",
    "lower": "of what clouds name things with; engines fold U+0130 and a final sigma differently",
    "max": "in Rego's order of all values; undefined of nothing",
    "object.get": "a key or a path of keys, and the default where one is missing",
    "regex.match": "one syntax without \\d, flags and repeated repetitions, kept out of settings",
    "sort": "in Rego's order of all values",
    "startswith": "compares code points; anything but text is an error",
    "sum": "of integers; of nothing 0, of anything else an error",
}
