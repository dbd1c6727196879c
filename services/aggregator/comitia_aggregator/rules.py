"""Placeholder: the table of rules."""

from collections.abc import Sequence

from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.rule_pb2 import Rules
from comitia_aggregator.result import Result


def apply(
    rules: Rules, ballots: Sequence[Ballot], result: Result, answer_format: AnswerFormat, step: str
) -> tuple[Result, tuple[str, ...]]:
    return result, ()
