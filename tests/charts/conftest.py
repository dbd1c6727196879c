"""A Kubernetes API server to install the chart on, and a namespace of it that admits restricted
pods alone.

Comes in: KUBECONFIG. Goes out: `cluster`, for a test to break and throw away. A cluster that could
be somebody's is not touched: its server must be on loopback, or COMITIA_TEST_CLUSTER=1 must say
that it is for tests. Its nodes should be fakes such as kwok's: there is no Kafka for real pods.
"""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.charts.chart_support import HELMS
from tests.charts.cluster import Cluster, kubectl, namespace

DISPOSABLE = "COMITIA_TEST_CLUSTER"


@pytest.fixture(scope="session")
def server() -> str:
    """The API server's address; skips where there is none that may be used."""
    if not (HELMS and shutil.which("kubectl")):
        pytest.skip("needs helm and kubectl in PATH")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    path = "jsonpath={.clusters[0].cluster.server}"
    address = kubectl("config", "view", "--minify", "--output", path)
    loopback = urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")
    if not loopback and os.environ.get(DISPOSABLE) != "1":
        pytest.skip(f"{address} may be somebody's: {DISPOSABLE}=1 says that it is for tests")
    kubectl("get", "--raw", "/readyz")
    return address


@pytest.fixture
def cluster(server: str) -> Iterator[Cluster]:
    """A namespace of one's own, gone afterwards with all that is in it."""
    with namespace() as made:
        yield made
