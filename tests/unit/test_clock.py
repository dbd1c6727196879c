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


def test_the_time_never_goes_back() -> None:
    local = ManualClock()
    clock = clock_at(local=local)
    seen = 0
    for append_ms in (5_000, 9_000, 1_000, 9_001, 0, -1, 9_002):
        clock.observe(append_ms)
        local.advance(1)
        assert clock.now_ms() > seen
        seen = clock.now_ms()


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
