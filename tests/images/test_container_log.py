"""Part of the integration suite on Apache Kafka in a container: refusals and what heals.

The tests are those of tests/integration as they stand. Skipped where no engine answers or the
image is not there.
"""

from tests.integration.test_kafka_log import (  # noqa: F401
    log,
    test_a_replication_that_the_cluster_cannot_give_is_a_config_error,
    test_a_setting_that_kafka_does_not_know_is_a_config_error,
    test_a_topic_with_a_limit_below_a_batch_is_refused_with_advice,
    test_a_transaction_with_a_refused_record_aborts_and_needs_a_new_writer,
    test_a_writer_heals_after_the_broker_refused_a_record,
    test_commits_and_fetches_go_on_after_a_cancelled_fetch,
)
