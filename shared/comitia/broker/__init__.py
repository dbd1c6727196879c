"""Apache Kafka itself, embedded: the broker that `comitia up` and the tests run when the user
brings none.

`cluster` starts and stops it, `status` finds one that runs already; behind them `jars` and `java`
bring the program, `storage` and `properties` its folder, `node` and `keeper` its processes, `lock`
and `identity` who owns them, `explain` its failures.
"""

from comitia.broker.cluster import EmbeddedBroker
from comitia.broker.jars import Jar, Progress, missing, resolve_jars
from comitia.broker.java import Java, find_java
from comitia.broker.settings import HOST, PORT_DEFAULT, PORT_SETTING, BrokerSettings
from comitia.broker.status import BrokerStatus, running, stop_running

__all__ = [
    "HOST",
    "PORT_DEFAULT",
    "PORT_SETTING",
    "BrokerSettings",
    "BrokerStatus",
    "EmbeddedBroker",
    "Jar",
    "Java",
    "Progress",
    "find_java",
    "missing",
    "resolve_jars",
    "running",
    "stop_running",
]
