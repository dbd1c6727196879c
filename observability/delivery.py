"""Delivery: reading, partitions and folds, transactions, and what went wrong on the way."""

from observability.board import Board
from observability.charts import (
    BAD,
    WARNING,
    Chart,
    mean,
    quantile,
    quantiles,
    rate,
    total,
)

_GROUP = "messaging_consumer_group_name"
_TOPIC = "messaging_destination_name, messaging_destination_template"
_TOPIC_LEGEND = "{{messaging_destination_name}}{{messaging_destination_template}}"
_FOLD, _TRANSACTION = "comitia_fold_duration_seconds", "comitia_transaction_duration_seconds"

_READING = (
    Chart(
        "Lag by group", "short", "Records between where a group reads and the end of its topics.",
        {"{{messaging_consumer_group_name}}": total("comitia_consumer_lag", _GROUP)},
        {1_000: WARNING},
    ),
    Chart(
        "Records of a fetch (p95)", "short", "Records of one fetch that was not empty. Full ones "
        "say that a reader is behind.",
        {_TOPIC_LEGEND: quantile(0.95, "comitia_poll_batch_size", _TOPIC)},
    ),
    Chart(
        "Records read and sent", "ops", "Per second, over all topics.",
        {"read": rate("messaging_client_consumed_messages_total"),
         "sent": rate("messaging_client_sent_messages_total")},
    ),
)  # fmt: skip
_PARTITIONS = (
    Chart(
        "Partitions owned", "short", "By group. The sum stays the same unless a member is away.",
        {"{{messaging_consumer_group_name}}": total("comitia_partitions_owned", _GROUP)},
    ),
    Chart(
        "Rebalances", "short", "By group, since the processes started. Static members that come "
        "back in time cause none.",
        {"{{messaging_consumer_group_name}}": total("comitia_rebalances_total", _GROUP)},
    ),
    Chart(
        "Folds", "s", "Taking a partition over, to going live, since the processes started; "
        "nothing is decided there meanwhile.",
        {
            "mean": f"{total(f'{_FOLD}_sum')} / {total(f'{_FOLD}_count')}",
            "p95": f"histogram_quantile(0.95, {total(f'{_FOLD}_bucket', 'le')})",
        },
        {30: WARNING},
    ),
    Chart(
        "Open tasks", "short", "By process. At open_tasks_max (100,000) new tasks end OVERLOADED.",
        {"{{instance}}": total("comitia_tasks_open", "instance")},
        {80_000: WARNING, 100_000: BAD},
    ),
    Chart(
        "State of open tasks", "bytes", "By process. At open_bytes_max (512 MiB) new tasks end "
        "OVERLOADED.",
        {"{{instance}}": total("comitia_tasks_open_size_bytes", "instance")},
        {0.8 * 512 * 1024 * 1024: WARNING, 512 * 1024 * 1024: BAD},
    ),
    Chart(
        "Ids remembered", "short", "Decided tasks whose id is still known, by process.",
        {"{{instance}}": total("comitia_tasks_remembered", "instance")},
    ),
)  # fmt: skip
_WRITING = (
    Chart(
        "Transactions", "s", "From the beginning of a transaction to its commit.",
        quantiles(_TRANSACTION), {1: WARNING, 10: BAD},
    ),
    Chart(
        "Events of a transaction", "short", "Events that one transaction delivers: more under "
        "load.",
        {"mean": mean("comitia_transaction_batch_size"),
         "p95": quantile(0.95, "comitia_transaction_batch_size")},
    ),
    Chart(
        "Transactions per second", "ops", "Over all partitions.",
        {"": rate(f"{_TRANSACTION}_count")},
    ),
)  # fmt: skip
RETRIES = Chart(
    "Calls tried again", "ops", "Passing faults per second, by what is waited for.",
    {"{{comitia_reason}}": rate("comitia_retries_total", "comitia_reason")},
    {1: WARNING}, kind="stack", width=6,
)  # fmt: skip
_TROUBLE = (
    Chart(
        "Dead letters", "short", "By reason, since the processes started; `comitia dlq` lists "
        "them.",
        {"{{comitia_reason}}": total("comitia_dead_letters_total", "comitia_reason")},
        kind="stack", width=6,
    ),
    RETRIES,
    Chart(
        "Old tasks looked up", "short", "Since the processes started: FOUND were decided before, "
        "NOT_FOUND were not.",
        {"{{comitia_reason}}": total("comitia_lookups_total", "comitia_reason")},
        kind="stack", width=6,
    ),
    Chart(
        "Records lost", "short", "Offsets that retention removed before a take-over read them, "
        "since the processes started.",
        {"{{messaging_destination_name}}": total(
            "comitia_records_lost_total", "messaging_destination_name")},
        {1: BAD}, width=6,
    ),
)  # fmt: skip

BOARD = Board(
    "delivery",
    "Delivery",
    "Reading, partitions and folds, transactions, and what went wrong on the way.",
    {
        "Reading": _READING,
        "Partitions": _PARTITIONS,
        "Transactions": _WRITING,
        "Trouble": _TROUBLE,
    },
)
