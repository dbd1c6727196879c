"""`comitia doctor`: is this machine fit, is the cluster, and what is not as the catalogue says."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from comitia.config import AggregatorSettings, WireSettings, load
from comitia.errors import ComitiaError
from comitia.ports import TopicSpec
from comitia.topics import Names
from comitia_cli import exits, options
from comitia_cli.client.catalogue import compare, refused
from comitia_cli.client.guarantees import guarantees
from comitia_cli.output import Printer
from comitia_cli.places import places
from comitia_cli.shell import Shell, kafka_settings, run, shell_of
from comitia_cli.show.guarantees import delivery, removed, retention
from comitia_cli.system.machine import Finding, machine_findings

_COLOUR = {"ok": "green", "note": "yellow", "wrong": "red"}
_ACLS = {
    None: "we are not allowed to ask: that takes the operation Describe on the cluster",
    True: "checked: Comitia needs rights on topics, groups and transactional ids of its prefix",
    False: "none: this cluster lets everybody do everything",
}


def doctor(
    ctx: typer.Context,
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Only the cluster: services run elsewhere.")
    ] = False,
) -> None:
    """Look at this machine and at the cluster.

    Ends with 1 when something must be changed.
    """
    found = [] if cluster else machine_findings(places())
    try:
        found += run(_cluster(shell_of(ctx), bootstrap))
    except ComitiaError as error:
        given = cluster or bootstrap is not None
        found.append(Finding("cluster", "broker", "wrong" if given else "note", str(error)))
    printer = Printer(json)
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in found:
        printer.emit(asdict(one))
        colour = _COLOUR[one.verdict]
        table.add_row(one.area, one.name, f"[{colour}]{one.verdict}[/{colour}]", escape(one.words))
    printer.show(table)
    if any(one.verdict == "wrong" for one in found):
        raise typer.Exit(exits.FAILED)


async def _cluster(shell: Shell, bootstrap: str | None) -> list[Finding]:
    # Imported here: a machine whose installation is broken still gets its diagnosis.
    from comitia.runtime.inspect import inspect

    given = kafka_settings(bootstrap)
    settings = load(AggregatorSettings, {"bootstrap": given.bootstrap, "prefix": given.prefix})
    names = Names(settings.prefix)
    seen = await inspect(settings)
    version = seen.version or "not Apache Kafka in KRaft mode, or unwilling to tell its version"
    brokers = "1 broker" if seen.brokers == 1 else f"{seen.brokers} brokers"
    found = [
        Finding(
            "cluster",
            "broker",
            "ok",
            f"{settings.bootstrap}: {brokers}, Apache Kafka {version}",
        ),
        _security(settings, seen.security),
        _transactions(seen.transactions_problem, seen.transactions_hidden, settings),
        _timestamps(seen.broker_config),
        Finding("cluster", "ACLs", "note" if seen.acls is None else "ok", _ACLS[seen.acls]),
        *_topics(seen.topics, names),
        *retention(seen.topics, names, settings),
    ]
    async with shell.session(bootstrap) as session:
        live = await guarantees(session)
    if live is not None:
        found += [delivery(live), *removed(live.beginnings, seen.topics, settings)]
    return found


def _security(settings: WireSettings, words: str) -> Finding:
    """PLAINTEXT is said, not judged: it is right on loopback. A secret in the clear is not."""
    secret = settings.sasl_mechanism in ("PLAIN", "OAUTHBEARER")
    if settings.security_protocol == "SASL_PLAINTEXT" and secret:
        words += ": the secret crosses the network in the clear; use SASL_SSL"
        return Finding("cluster", "security", "note", words)
    if settings.oauth_token_endpoint.startswith("http://"):
        words += ": COMITIA_OAUTH_TOKEN_ENDPOINT takes the client's secret in the clear; use https"
        return Finding("cluster", "security", "note", words)
    return Finding("cluster", "security", "ok", words)


def _transactions(problem: str | None, hidden: str | None, settings: AggregatorSettings) -> Finding:
    if hidden is not None:
        return Finding("cluster", "transactions", "note", f"not tried: to let doctor, {hidden}")
    if problem is None:
        return Finding("cluster", "transactions", "ok", "work")
    if settings.delivery == "at-least-once":
        words = f"{problem}: COMITIA_DELIVERY=at-least-once does without"
        return Finding("cluster", "transactions", "note", words)
    words = (
        f"{problem}: decisions cannot be published exactly once. Use Apache Kafka 2.5 or newer, or"
        " set COMITIA_DELIVERY=at-least-once, with which a crash may decide a task twice"
    )
    return Finding("cluster", "transactions", "wrong", words)


def _timestamps(config: Mapping[str, str]) -> Finding:
    """Deadlines are counted from append times; each topic says so itself, so the broker's default
    is only told.
    """
    hidden = "hidden (to see it takes the operation DescribeConfigs on the cluster)"
    default = config.get("log.message.timestamp.type", hidden)
    words = f"the broker's default is {default}; Comitia's topics say LogAppendTime themselves"
    return Finding("cluster", "message.timestamp.type", "ok", words)


def _topics(found: Mapping[str, TopicSpec], names: Names) -> list[Finding]:
    """Those of the catalogue and all inboxes, against what exists."""
    wanted = names.specs()
    inbox = names.inbox("x").split("x.v1")[0]
    for name in sorted(name for name in found if name.startswith(inbox)):
        agent, _, lane = name[len(inbox) :].removesuffix(".v1").partition(".")
        if lane in ("", "high"):
            wanted.append(names.inbox_spec(agent, high=lane == "high"))
    missing = [spec.name for spec in wanted if spec.name not in found]
    findings = []
    if missing:
        some = ", ".join(missing[:3])
        words = f"{len(missing)} missing ({some}, ...): create them with `comitia topics --apply`"
        findings.append(Finding("topics", "existence", "note", words))
    compared = [compare(spec, found.get(spec.name)) for spec in wanted]
    findings += [Finding("topics", "settings", "wrong", it) for it in refused(names, compared)]
    for one in compared:
        for setting, (want, is_) in one.differs.items():
            words = f"{setting} is {is_ or 'not known'}, the catalogue says {want}"
            findings.append(Finding("topics", one.wanted.name, "note", words))
    if not any(one.differs for one in compared) and len(missing) < len(wanted):
        words = f"{len(wanted) - len(missing)} topics are as the catalogue says"
        findings.append(Finding("topics", "settings", "ok", words))
    return findings
