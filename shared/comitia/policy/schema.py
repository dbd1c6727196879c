"""What a JSON schema says of the properties of an answer. Schema text in, names out; a text that is
no schema has none, which the check of the format itself tells.
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
    try:
        parsed = json.loads(schema or "{}")
    except ValueError:
        return {}
    found = parsed.get("properties") if isinstance(parsed, dict) else None
    return found if isinstance(found, dict) else {}


def has(schema: str, pointer: str) -> bool:
    """Whether the schema knows what the JSON pointer (RFC 6901) names. Where it lists no properties
    anything may stand there.
    """
    node: Any = json.loads(schema or "{}")
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
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
