"""What every YAML file of Comitia is held to, whatever its loader makes of scalars."""

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import BaseConstructor


class NothingTwice(BaseConstructor):
    """Put before a loader among the bases: a key that stands twice in one mapping is an error,
    where YAML's own loaders keep the last silently.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"{twice[0]!r} stands twice in one mapping{node.start_mark}")
        return super().construct_mapping(node, deep)
