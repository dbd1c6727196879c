"""Is a text usable as a JSON Schema? The text in, what is wrong with it out ("" when nothing is).

Only what an agent needs to start is checked: that it is JSON and an object or a boolean, as JSON
Schema 2020-12 asks.
"""

import json


def problem_of(schema: str) -> str:
    if not schema.strip():
        return "it is empty; give a JSON Schema, for example {}"
    try:
        parsed = json.loads(schema)
    except RecursionError:
        return "it nests too deep; make it flatter"
    except ValueError as error:
        return f"it is not JSON ({error}); correct it"
    if not isinstance(parsed, dict | bool):
        return "it is no JSON Schema; give an object"
    return ""
