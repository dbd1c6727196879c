"""The choice of tokens: drawn frequencies against the exact distribution, each filter by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.errors import ConfigError, Poison
from comitia.inference.sampling import Chooser, candidates, check, draw
from comitia.ports import Sampling

# Probabilities .4 .3 .15 .1 .05 at temperature 1, in an order of their own.
SHARES = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
LOGITS = np.log(SHARES).astype(np.float32) + np.float32(7.0)
WARM = Sampling(1, temperature=1.0, seed=3)


def kept(sampling: Sampling, logits: NDArray[np.float32] = LOGITS) -> list[int]:
    places, weights = candidates(logits, sampling)
    assert (weights > 0).all() and weights.max() == 1.0
    return list(range(len(logits))) if places is None else places.tolist()


def exact(logits: NDArray[np.float32], sampling: Sampling) -> NDArray[np.float64]:
    """The definition, step by step in float64, as slow as it may be."""
    shares = np.exp(logits.astype(np.float64) / sampling.temperature)
    order = np.argsort(-shares)
    if sampling.top_k:
        shares[order[sampling.top_k :]] = 0
    shares /= shares.sum()
    before = shares[order].cumsum() - shares[order]
    shares[order[before >= sampling.top_p]] = 0
    shares[shares < sampling.min_p * shares.max()] = 0
    shares /= shares.sum()
    return shares


@pytest.mark.parametrize(
    "sampling",
    [
        WARM,
        replace(WARM, temperature=0.5),
        replace(WARM, temperature=3.0, top_k=300),
        replace(WARM, top_p=0.9),
        replace(WARM, min_p=0.05),
        replace(WARM, temperature=1.5, top_k=500, top_p=0.8, min_p=0.01),
    ],
)
def test_drawn_frequencies_are_those_of_the_exact_distribution(sampling: Sampling) -> None:
    """Pearson's chi-square over 20,000 draws, below its 99.9 % quantile."""
    logits = np.random.default_rng(1).normal(0.0, 2.5, 2_000).astype(np.float32)
    chances = exact(logits, sampling)
    chooser, count = Chooser(sampling, ()), 20_000
    drawn = np.bincount([chooser.choose(logits) for _ in range(count)], minlength=len(logits))
    assert not drawn[chances == 0].any(), "what was filtered out came"
    # Rare tokens are counted together, so that every class is large enough.
    often = chances * count >= 10
    expected = np.append(chances[often], chances[~often].sum()) * count
    found = np.append(drawn[often], drawn[~often].sum())
    some = expected > 0
    square = float((((found - expected)[some] ** 2) / expected[some]).sum())
    freedom = int(some.sum()) - 1
    # Wilson and Hilferty, https://doi.org/10.1073/pnas.17.12.684
    quantile = freedom * (1 - 2 / (9 * freedom) + 3.09 * np.sqrt(2 / (9 * freedom))) ** 3
    assert square < quantile


def test_filters_keep_what_their_definitions_say() -> None:
    assert kept(WARM) == [0, 1, 2, 3, 4]
    assert kept(replace(WARM, top_k=2)) == [1, 3]
    assert kept(replace(WARM, top_k=9)) == [0, 1, 2, 3, 4]
    assert kept(replace(WARM, top_p=0.69)) == [1, 3], "the smallest set with that much"
    assert kept(replace(WARM, top_p=0.71)) == [1, 3, 4]
    assert kept(replace(WARM, top_p=1e-9)) == [1], "one at least"
    assert kept(replace(WARM, min_p=0.3)) == [1, 3, 4]
    assert kept(replace(WARM, min_p=0.99)) == [1]
    equal = np.zeros(8, np.float32)
    assert kept(replace(WARM, top_k=3), equal) == list(range(8)), "equals stay together"
    assert kept(replace(WARM, top_p=0.3), equal) == list(range(8))


def test_filters_come_in_the_order_of_transformers() -> None:
    # Temperature comes before top-p: the flatter distribution needs more tokens for .69.
    assert kept(replace(WARM, temperature=4.0, top_p=0.69)) == [0, 1, 3, 4]
    # Top-k comes before top-p: of the two that are left, .4/.7 alone is not yet .6.
    assert kept(replace(WARM, top_k=2, top_p=0.6)) == [1, 3]
    assert kept(replace(WARM, top_k=2, top_p=0.55)) == [1]
    # The repetition penalty comes before the temperature: 8/2 = 4, 4/0.5 = 8 against 6/0.5 = 12.
    logits = np.array([8.0, 6.0, -50.0], np.float32)
    chooser = Chooser(replace(WARM, temperature=0.05, repetition_penalty=2.0), (0,))
    assert chooser.choose(logits) == 1


def test_repetition_counts_prompt_and_text_and_divides_by_the_sign() -> None:
    logits = np.array([4.0, 3.0, 2.5, -1.0], np.float32)
    chooser = Chooser(Sampling(9, repetition_penalty=2.0), (0,))
    assert [chooser.choose(logits) for _ in range(4)] == [1, 2, 0, 0]
    below = np.array([-1.0, -1.5, -9.0], np.float32)
    assert Chooser(Sampling(9, repetition_penalty=2.0), (0,)).choose(below) == 1
    assert Chooser(Sampling(9, repetition_penalty=0.5), (1,)).choose(below) == 1, "wanted more"
    assert logits.tolist() == [4.0, 3.0, 2.5, -1.0], "the logits are the engine's"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_mask_shuts_out_tokens_and_those_behind_its_end(temperature: float) -> None:
    allowed = np.array([True, False, True])
    chooser = Chooser(replace(WARM, temperature=temperature), ())
    drawn = Counter(chooser.choose(LOGITS, allowed) for _ in range(3_000))
    if temperature:
        assert set(drawn) == {0, 2}
        assert drawn[0] / 3_000 == pytest.approx(0.1 / 0.15, abs=0.03)
    else:
        assert set(drawn) == {0}


def test_a_seed_is_a_text() -> None:
    # Pinned: the same seed gives the same text after an upgrade.
    chooser = Chooser(WARM, ())
    first = [chooser.choose(LOGITS) for _ in range(12)]
    assert first == [0, 1, 3, 3, 0, 1, 1, 1, 3, 1, 1, 2]
    other = Chooser(replace(WARM, seed=4), ())
    assert first != [other.choose(LOGITS) for _ in range(12)]


def test_greedy_takes_the_first_of_equals() -> None:
    assert Chooser(Sampling(1), ()).choose(np.array([1.0, 3.0, 3.0], np.float32)) == 1


def test_a_draw_at_either_end_is_a_token_with_a_weight() -> None:
    weights = np.zeros(2_000, np.float32)
    weights[[3, 700, 1_600]] = 1.0
    below_one = float(np.nextafter(1.0, 0.0))
    assert [draw(weights, at) for at in (0.0, 0.34, below_one)] == [3, 700, 1_600]
    assert draw(np.full(1, 1e-30, np.float32), below_one) == 0
    # Sums in blocks and sums one by one are rounded differently.
    for seed in range(30):
        uneven = np.exp(np.random.default_rng(seed).normal(0.0, 6.0, 3_000)).astype(np.float32)
        uneven[-1] = 0.0
        assert uneven[draw(uneven, below_one)] > 0.0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_poison(bad: float, temperature: float) -> None:
    with pytest.raises(Poison, match="not finite"):
        Chooser(replace(WARM, temperature=temperature), ()).choose(
            np.array([0.0, bad, 1.0], np.float32)
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tokens_max": 0}, "tokens_max must be"),
        ({"temperature": -1.0}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"temperature": 1e-9}, "temperature must be"),
        ({"seed": -1}, "seed must not"),
        ({"top_p": 0.0}, "top_p must be"),
        ({"top_p": 1.1}, "top_p must be"),
        ({"top_k": -1}, "top_k must be"),
        ({"min_p": 1.0}, "min_p must be"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be"),
        ({"log_probabilities": 21}, "log_probabilities must be"),
        ({"stop": ("",)}, "stop must have"),
        ({"json_schema": "{}", "regex": "a"}, "exclude each other"),
        ({"regex": "a", "stop": ("b",)}, "cut a constrained text short"),
    ],
)
def test_values_out_of_range_are_told(change: dict[str, object], said: str) -> None:
    check(WARM)
    with pytest.raises(ConfigError, match=said):
        check(replace(WARM, **change))  # type: ignore[arg-type]
