"""One bad log for each kind of violation that the checker knows: what would have gone wrong in a
service, put into an otherwise honest log by hand.
"""

from collections.abc import Callable

from tests.unit.checker_world import (
    AGENTS,
    DEADLINE_MS,
    DECIDED_MS,
    HOME,
    OTHER,
    PANEL,
    STATUS,
    TASK,
    World,
    decision,
    end,
    good,
    letter,
    make,
    opened_twice,
    poisoned,
    routed,
    with_ballot,
)


def open_transaction() -> World:
    world = good()
    world.evidence.hidden = {"decisions[0]": 3}
    return world


def lost() -> World:
    world = good()
    world.evidence.manifest = [{"id": "t-2", "kind": "plain"}]
    return world


def lost_without_an_id() -> World:
    world = good()
    world.evidence.manifest = [{"id": "", "kind": "unreadable", "partition": 0, "offset": 7}]
    return world


def twice() -> World:
    return end(good())


def gap() -> World:
    return end(good(), revision=2)


def of_nothing() -> World:
    world = World()
    world.decide({"taskId": TASK, "status": STATUS["NO_AGENT"]})
    return world


def strayed_event() -> World:
    world = good()
    world.say({"taskCancelled": {}}, partition=(HOME + 1) % 4)
    return world


def strayed_decision() -> World:
    world = routed()
    world.decide(decision(), partition=(HOME + 1) % 4)
    return world


def poison_decided() -> World:
    world = good()
    world.evidence.manifest = [{"id": TASK, "kind": "oversize"}]
    return world


def without_assignments() -> World:
    world = good()
    world.evidence.inboxes.pop(0)
    return world


def panel_first() -> World:
    world = World()
    world.task()
    world.open()
    world.assign()
    for seat in range(3):
        world.answer(seat)
    return end(world, ballots=decision(options="aaa")["ballots"])


def answer_from_nowhere() -> World:
    world = good()
    world.answer(0, panel_id="t-1@none")
    return world


def losing_panel() -> World:
    return end(opened_twice(), panelId=OTHER)


def other_panels_answers() -> World:
    made = decision()
    for ballot in made["ballots"]:
        ballot["assignmentId"] = ballot["assignmentId"].replace(PANEL, OTHER)
    return end(opened_twice(), ballots=made["ballots"])


def counted_twice() -> World:
    return end(routed(), ballots=decision(options="aab")["ballots"] * 2)


def counted_elsewhere() -> World:
    world = good()
    world.task(task_id="t-2")
    made = {**decision(), "taskId": "t-2"}
    world.decide(made, key=b"t-2", partition=0)
    return world


def late_answer() -> World:
    world = routed("aa")
    world.answer(2, "b", at_ms=DEADLINE_MS + 1)
    return end(world)


def expired_early() -> World:
    world = routed("a")
    fields = decision("EXPIRED", "a", "")
    world.decide(fields, at_ms=DECIDED_MS)
    return world


def ignored() -> World:
    return end(routed("aab"), status=STATUS["EXPIRED"], ballots=[], value=None)


def hasty() -> World:
    world = routed("ab")
    world.decide(decision("NO_QUORUM", "ab", ""), at_ms=DECIDED_MS)
    return world


def unstable() -> World:
    """Two of five ballots decide, the others overturn it."""
    world = routed("abb")
    made = decision(options="a")
    world.evidence.events[0].message.panel_opened.task.policy.quorum = 1
    world.decide(made, at_ms=DECIDED_MS)
    return world


def outside() -> World:
    world = good()
    world.evidence.plain_decisions = 1
    return world


def past_a_task() -> World:
    world = good()
    world.commit("aggregator", "panel-events", (HOME, 1), metadata="0", at_ms=DECIDED_MS - 1)
    return world


def past_an_early_answer() -> World:
    world = World()
    world.task()
    world.assign()
    world.answer(0)
    world.commit("aggregator", "panel-events", (HOME, 1), metadata="0")
    world.open()
    world.answer(1)
    return end(world, ballots=decision(options="aa")["ballots"])


def forgotten() -> World:
    world = good()
    world.commit("aggregator", "panel-events", (HOME, 0), metadata="1", at_ms=DECIDED_MS + 10)
    return world


def unrouted() -> World:
    world = good()
    world.commit("router", "tasks", (0, 1), at_ms=0)
    return world


def cancel_not_handed_on() -> World:
    world = good()
    world.put("commands", make("Command", {"cancel": {"taskId": TASK}}))
    world.commit("router", "commands", (0, 1))
    return world


def unanswered() -> World:
    world = good()
    world.commit(f"agent.{AGENTS[0]}", f"inbox.{AGENTS[0]}", (0, 1), at_ms=0)
    return world


def no_letter() -> World:
    world = poisoned()
    world.evidence.letters.clear()
    return world


def no_letter_for_another_content() -> World:
    world = good()
    world.task("Another question?")
    return world


def no_letter_for_oversize() -> World:
    world = routed("")
    world.evidence.manifest = [{"id": TASK, "kind": "oversize"}]
    return end(world, status=STATUS["REJECTED"], ballots=[])


def altered_letter() -> World:
    world = good()
    letter(world, "tasks", 0, key="dC0x", value="AAAA")
    return world


def dangling() -> World:
    return end(routed(), deadLetter={"topic": "comitia.dead-letters.v1", "offset": 9})


def unreadable_letter() -> World:
    world = good()
    world.put("dead-letters", b"\xff")
    return world


def kept_from_nowhere() -> World:
    return with_ballot(routed(), kept="no answer in time")


BAD: tuple[tuple[str, Callable[[], World]], ...] = (
    ("log.open-transaction", open_transaction),
    ("task.lost", lost),
    ("task.lost", lost_without_an_id),
    ("decision.missing", routed),
    ("decision.missing", lost),
    ("decision.twice", twice),
    ("decision.revision-gap", gap),
    ("decision.of-nothing", of_nothing),
    ("event.wrong-partition", strayed_event),
    ("decision.wrong-partition", strayed_decision),
    ("poison.decided-otherwise", poison_decided),
    ("panel.without-assignments", without_assignments),
    ("panel.before-its-assignments", panel_first),
    ("answer.without-assignment", answer_from_nowhere),
    ("decision.of-a-losing-panel", losing_panel),
    ("decision.too-early", expired_early),
    ("decision.outside-a-transaction", outside),
    ("ballot.unlisted", other_panels_answers),
    ("ballot.twice", counted_twice),
    ("ballot.of-another-task", counted_elsewhere),
    ("ballot.of-another-seat", lambda: with_ballot(routed(), seat=1)),
    ("ballot.without-answer", lambda: end(routed("aa"))),
    ("ballot.late", late_answer),
    ("ballot.altered", lambda: with_ballot(routed("bab"), options="aab")),
    ("ballot.keeps-what-was-not", kept_from_nowhere),
    ("vote.ignored", ignored),
    ("vote.without-quorum", lambda: end(routed("a"), ballots=decision(options="a")["ballots"])),
    ("vote.other-value", lambda: end(routed(), value={"optionId": "b"})),
    ("vote.unstable", unstable),
    ("status.unfounded", lambda: end(routed(), status=STATUS["CANCELLED"])),
    ("status.unfounded", lambda: end(routed(), status=STATUS["NO_AGENT"])),
    ("status.unfounded", hasty),
    ("commit.past-an-undecided-task", past_a_task),
    ("commit.past-an-undecided-task", past_an_early_answer),
    ("commit.forgets-a-decision", forgotten),
    ("commit.past-an-unrouted-task", unrouted),
    ("commit.past-an-unrouted-task", cancel_not_handed_on),
    ("commit.past-an-unanswered-assignment", unanswered),
    ("letter.missing", no_letter),
    ("letter.missing", no_letter_for_another_content),
    ("letter.missing", no_letter_for_oversize),
    ("letter.not-the-original", altered_letter),
    ("letter.dangling", dangling),
    ("letter.unreadable", unreadable_letter),
)
