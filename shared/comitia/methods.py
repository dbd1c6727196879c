"""Which methods of a vote take which formats of answer: the router refuses the others, the
aggregator counts by this table. In come a Method and a format's kind, out comes yes or no.
"""

from collections.abc import Mapping, Sequence

from comitia.v1 import policy_pb2 as policy
from comitia.v1.policy_pb2 import Method

# Kind of an AnswerFormat -> the kind of Value that it asks for.
VALUE_KINDS: Mapping[str, str] = {
    "choice": "option_id",
    "text": "text",
    "number": "number",
    "ranking": "ranking",
    "json": "json",
}
KINDS = tuple(VALUE_KINDS)

FORMATS: Mapping[Method, tuple[str, ...]] = {
    policy.METHOD_UNSPECIFIED: KINDS,
    policy.METHOD_PLURALITY: KINDS,
    policy.METHOD_PROBABILITY_WEIGHTED: ("choice",),
    policy.METHOD_APPROVAL: ("choice",),
    policy.METHOD_WEIGHTED: KINDS,
    policy.METHOD_LOG_POOL: ("choice",),
    policy.METHOD_LEARNED: KINDS,
    policy.METHOD_MEDIAN: ("number",),
    policy.METHOD_TRIMMED_MEAN: ("number",),
    policy.METHOD_WEIGHTED_MEAN: ("number",),
    policy.METHOD_FIELDS: ("json",),
    policy.METHOD_BORDA: ("ranking",),
    policy.METHOD_COPELAND: ("ranking",),
    policy.METHOD_SCHULZE: ("ranking",),
    policy.METHOD_MINIMUM_BAYES_RISK: ("text",),
    policy.METHOD_ATTENTION: ("choice",),
}


def takes(method: Method, kind: str) -> bool:
    """Whether answers of this kind can be counted by the method."""
    return kind in FORMATS.get(method, ())


def methods_of(kind: str) -> Sequence[str]:
    """Names of the methods that take answers of this kind."""
    return [Method.Name(method) for method, kinds in FORMATS.items() if method and kind in kinds]


def calibrates(method: Method, kind: str) -> bool:
    """Whether the method can name the probability that its winner is right, once feedback has
    taught it.
    """
    return method == policy.METHOD_LEARNED or (
        method == policy.METHOD_UNSPECIFIED and kind == "choice"
    )
