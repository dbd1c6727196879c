"""The broker's clock as it is estimated from append times, and the manual one."""

import pytest

from comitia.errors import Retryable
from comitia.runtime.clock import BrokerClock
from comitia.testing import ManualClock


def clock_at(*, local: ManualClock) -> BrokerClock:
    return BrokerClock(local.monotonic_ms)


def test_the_time_is_not_guessed_before_the_first_observation() -> None:
    clock = clock_at(local=ManualClock())
    assert not clock.known
    with pytest.raises(Retryable, match="not known yet"):
        clock.now_ms()


def test_time_goes_on_from_the_append_time() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    clock.observe(1_000_000)
    assert clock.known
    assert clock.now_ms() == 1_000_000
    local.advance(250)
    assert clock.now_ms() == 1_000_250


def test_the_observation_with_the_shortest_delay_counts() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    clock.observe(1_000_000)
    local.advance(100)
    # Seen 40 ms sooner after its append than the first: the estimate gains that much.
    clock.observe(1_000_140)
    assert clock.now_ms() == 1_000_140
    local.advance(100)
    clock.observe(1_000_150)
    assert clock.now_ms() == 1_000_240


def test_the_time_never_goes_back_over_late_observations() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    seen = 0
    for append_ms in (5_000, 9_000, 1_000, 9_001, 0, -1, 9_002):
        clock.observe(append_ms)
        local.advance(1)
        assert clock.now_ms() > seen
        seen = clock.now_ms()


def beat(clock: BrokerClock, local: ManualClock, ahead_ms: int, count: int) -> None:
    """Heartbeats every 2 s, acknowledged by a broker whose clock is `ahead_ms` before ours."""
    for _ in range(count):
        local.advance(2_000)
        clock.observe(int(local.monotonic_ms()) + ahead_ms)


def test_one_append_time_an_hour_ahead_is_forgotten_after_two_windows() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    beat(clock, local, 1_000_000, 20)
    clock.observe(int(local.monotonic_ms()) + 1_000_000 + 3_600_000)
    assert clock.now_ms() == local.monotonic_ms() + 1_000_000 + 3_600_000
    beat(clock, local, 1_000_000, 2 * BrokerClock.WINDOW_MS // 2_000 + 1)
    assert clock.now_ms() == local.monotonic_ms() + 1_000_000


def test_a_brokers_clock_that_was_set_back_is_followed_and_runs_on_from_there() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    beat(clock, local, 5_000_000, 20)
    beat(clock, local, 5_000_000 - 600_000, 2 * BrokerClock.WINDOW_MS // 2_000 + 1)
    assert clock.now_ms() == local.monotonic_ms() + 4_400_000
    local.advance(7)
    assert clock.now_ms() == local.monotonic_ms() + 4_400_000


def test_a_brokers_clock_that_was_set_forward_is_followed_at_once() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    beat(clock, local, 1_000_000, 3)
    beat(clock, local, 1_900_000, 1)
    assert clock.now_ms() == local.monotonic_ms() + 1_900_000


def test_a_small_correction_makes_the_time_stand_still_but_not_go_back() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    beat(clock, local, 1_000_300, 20)
    seen = clock.now_ms()
    # From now on every observation takes 300 ms longer.
    for _ in range(60_000):
        local.advance(1)
        clock.observe(int(local.monotonic_ms()) + 1_000_000)
        assert clock.now_ms() >= seen
        seen = clock.now_ms()
    assert seen == local.monotonic_ms() + 1_000_000


def test_while_the_broker_is_away_the_time_that_is_known_runs_on() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    beat(clock, local, 1_000_000, 3)
    local.advance(10 * BrokerClock.WINDOW_MS)
    assert clock.now_ms() == local.monotonic_ms() + 1_000_000
    # A record read first after the gap, an hour old, does not turn the time back.
    clock.observe(clock.now_ms() - 3_600_000)
    assert clock.now_ms() == local.monotonic_ms() + 1_000_000
    beat(clock, local, 1_000_000, 1)
    assert clock.now_ms() == local.monotonic_ms() + 1_000_000


def test_a_record_without_append_time_tells_nothing() -> None:
    clock = clock_at(local=ManualClock())
    clock.observe(-1)
    assert not clock.known


def test_by_default_it_goes_by_the_processs_own_monotonic_clock() -> None:
    clock = BrokerClock()
    clock.observe(1_000_000)
    first = clock.monotonic_ms()
    assert clock.now_ms() >= 1_000_000
    assert clock.monotonic_ms() >= first


def test_a_manual_clock_moves_only_when_told_and_tells_its_listeners() -> None:
    clock, told = ManualClock(1_000), []
    clock.on_advance(lambda: told.append(clock.now_ms()))
    assert (clock.now_ms(), clock.monotonic_ms()) == (1_000, 0.0)
    clock.advance(5)
    clock.advance(0)
    assert (clock.now_ms(), clock.monotonic_ms()) == (1_005, 5.0)
    assert told == [1_005, 1_005]
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)
