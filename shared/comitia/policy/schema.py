"""What a JSON schema says of the properties of an answer. Schema text in, names out; a text that is
no schema says nothing, which the check of the format itself tells.
"""

import json
from typing import Any


def enumerated(schema: str) -> dict[str, list[str]]:
    """Property -> its values as JSON text, of those that are enumerations of at least 2."""
    found = {}
    for name, rule in properties(schema).items():
        values = rule.get("enum") if isinstance(rule, dict) else None
        if isinstance(values, list) and len(values) > 1:
            found[name] = [json.dumps(value, sort_keys=True) for value in values]
    return found


def properties(schema: str) -> dict[str, Any]:
    """Property -> its own schema, of an answer that is an object."""
    parsed = _parsed(schema)
    found = parsed.get("properties") if isinstance(parsed, dict) else None
    return found if isinstance(found, dict) else {}


def has(schema: str, pointer: str) -> bool:
    """Whether the schema knows what the JSON pointer names. Where it lists no properties anything
    may stand there.
    """
    node = _parsed(schema)
    for name in tokens(pointer)[1:]:
        if not isinstance(node, dict):
            return True
        if isinstance(node.get("properties"), dict):
            if name not in node["properties"]:
                return False
            node = node["properties"][name]
        elif "items" in node and name.isdecimal():
            node = node["items"]
        else:
            return True
    return True


def tokens(pointer: str) -> list[str]:
    """The reference tokens of a JSON pointer (RFC 6901); before the first slash stands "" where it
    is one.
    """
    return [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")]


def _parsed(schema: str) -> Any:
    """None where it is no JSON, or nested too deep to be read."""
    try:
        return json.loads(schema or "{}")
    except (ValueError, RecursionError):
        return None
