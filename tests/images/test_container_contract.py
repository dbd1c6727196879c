"""Part of the contract of logs on Apache Kafka in a container: groups and transactions.

The tests are those of tests/contract as they stand. Skipped where no engine answers or the image
is not there.
"""

import pytest

from tests.contract.conftest import world  # noqa: F401
from tests.contract.test_groups import (  # noqa: F401
    test_a_leaving_member_hands_its_partitions_over,
    test_members_share_all_partitions_without_overlap,
    test_the_next_member_resumes_at_the_committed_position,
)
from tests.contract.test_transactions import (  # noqa: F401
    test_a_new_holder_aborts_what_the_former_left_open,
    test_a_new_holder_of_the_id_fences_the_former,
    test_a_transaction_covers_its_partitions_together,
    test_an_open_transaction_holds_back_what_follows_it,
    test_markers_take_offsets_and_position_moves_past_them,
)

# Without its turn on LocalLog.
pytestmark = pytest.mark.parametrize("world", ["kafka"], indirect=True)
