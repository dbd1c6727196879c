"""docs/operations.md prints the ACLs of comitia.acls, all of them and nothing else."""

import re
from pathlib import Path

import pytest

from comitia import acls
from comitia.acls import Acl
from comitia.topics import Names

PAGE = Path(__file__).parents[2] / "docs/operations.md"
NAMES = Names()
LISTS = {
    "router": acls.router(NAMES),
    "aggregator": acls.aggregator(NAMES),
    "learner": acls.learner(NAMES),
    "agent-librarian": acls.agent(NAMES, "librarian"),
    "publisher": acls.publisher(NAMES),
    "operator": acls.operator(NAMES),
}


@pytest.mark.parametrize("user", LISTS)
def test_the_page_gives_each_user_its_commands(user: str) -> None:
    printed = re.findall(rf"^kafka-acls\.sh .*User:comitia-{user} .*$", PAGE.read_text(), re.M)
    assert printed == acls.commands(f"User:comitia-{user}", LISTS[user], "kafka.example:9092")


def test_the_page_knows_no_other_user() -> None:
    printed = re.findall(r"^kafka-acls\.sh .*$", PAGE.read_text(), re.M)
    assert len(printed) == sum(map(len, LISTS.values()))


def test_a_prefix_moves_every_name_but_the_clusters() -> None:
    names = Names("staging.")
    for rights in (acls.router(names), acls.agent(names, "a"), acls.operator(names)):
        for acl in rights:
            assert acl.name.startswith("staging.") or acl.resource == "cluster", acl


def test_a_priority_lane_adds_its_inbox_and_its_group() -> None:
    more = acls.agent(NAMES, "a", priority_lane=True)
    assert set(more) - set(acls.agent(NAMES, "a")) == {
        Acl("topic", "comitia.inbox.a.high.v1", "literal", ("Read", "DescribeConfigs")),
        Acl("group", "comitia.agent.a.high", "literal", ("Read",)),
    }


def test_one_agents_rights_reach_no_other_agents_inbox() -> None:
    for acl in acls.agent(NAMES, "a", priority_lane=True):
        assert acl.pattern == "literal", acl
