"""Tests of harness.elements.model: shares, correlations, distributions, and that effects do not touch each other."""

import itertools
import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.elements.model import Fate, Impairments, shortest_delay_ns
from harness.spec.link import Link


def link(**fields: object) -> Link:
    return Link.model_validate(fields)


def fates(given_link: Link, count: int, *, seed: int = 1, key: str = "p/forward", syn: bool = False) -> list[Fate]:
    impairments = Impairments(given_link, seed, key)
    return [impairments.next(syn) for _ in range(count)]


def within_binomial(count: int, trials: int, share: float, width: float = 3.3) -> bool:
    return abs(count - trials * share) <= width * math.sqrt(trials * share * (1 - share)) + 1


def autocorrelation(values: list[float]) -> float:
    mean = statistics.fmean(values)
    pairs = sum((a - mean) * (b - mean) for a, b in itertools.pairwise(values))
    return pairs / sum((a - mean) ** 2 for a in values)


EFFECTS: dict[str, object] = {
    "loss": 0.1,
    "jitter": {"amount": "5ms", "distribution": "paretonormal"},
    "reorder": {"probability": 0.1},
    "duplicate": 0.1,
    "corrupt": 0.1,
}
ASPECTS = {
    "loss": lambda fate: fate.lost,
    "jitter": lambda fate: fate.jitter_ns,
    "reorder": lambda fate: fate.overtakes,
    "duplicate": lambda fate: fate.duplicated,
    "corrupt": lambda fate: fate.corrupt_at,
}


class TestSeed:
    @given(st.integers(0, 2**63), st.text(max_size=10))
    @settings(max_examples=20)
    def test_same_seed_and_direction_same_fates(self, seed: int, key: str) -> None:
        all_effects = link(**EFFECTS)
        assert fates(all_effects, 50, seed=seed, key=key) == fates(all_effects, 50, seed=seed, key=key)

    def test_another_seed_or_direction_gives_others(self) -> None:
        all_effects = link(**EFFECTS)
        base = fates(all_effects, 200)
        assert base != fates(all_effects, 200, seed=2)
        assert base != fates(all_effects, 200, key="p/backward")

    @given(st.sets(st.sampled_from(sorted(EFFECTS))))
    def test_an_effect_chooses_the_same_whatever_others_do(self, chosen: set[str]) -> None:
        together = fates(link(**EFFECTS), 100)
        some = fates(link(**{name: EFFECTS[name] for name in chosen}), 100)
        for name in chosen:
            assert [ASPECTS[name](fate) for fate in some] == [ASPECTS[name](fate) for fate in together]

    def test_known_choices_stay_across_versions(self) -> None:
        lost = [number for number, fate in enumerate(fates(link(loss=0.1), 100), start=1) if fate.lost]
        assert lost == KNOWN_LOSSES


class TestLoss:
    @pytest.mark.parametrize("probability", [0.0, 0.01, 0.5, 1.0])
    @pytest.mark.parametrize("correlation", [0.0, 0.5])
    def test_the_share_is_the_probability_whatever_the_correlation(
        self, probability: float, correlation: float
    ) -> None:
        lost = sum(f.lost for f in fates(link(loss={"probability": probability, "correlation": correlation}), 20000))
        spread = (1 + correlation) / (1 - correlation)
        assert within_binomial(lost, 20000, probability, 3.3 * math.sqrt(spread))

    def test_neighbours_are_correlated_as_asked(self) -> None:
        losses = [float(f.lost) for f in fates(link(loss={"probability": 0.2, "correlation": 0.6}), 20000)]
        assert autocorrelation(losses) == pytest.approx(0.6, abs=0.05)

    def test_bursts_have_the_length_of_gilbert_elliott(self) -> None:
        model = {"model": "gilbert_elliott", "to_bad": 0.02, "to_good": 0.25}
        losses = [f.lost for f in fates(link(loss=model), 50000)]
        bursts = sum(now and not before for before, now in zip([False, *losses], losses, strict=False))
        assert sum(losses) / bursts == pytest.approx(4, rel=0.15)
        assert sum(losses) / len(losses) == pytest.approx(0.02 / 0.27, rel=0.15)

    def test_indexes_count_from_one(self) -> None:
        found = [f.lost for f in fates(link(loss={"model": "indexes", "packets": [1, 3]}), 5)]
        assert found == [True, False, True, False, False]

    def test_only_the_first_syns_are_lost(self) -> None:
        impairments = Impairments(link(loss={"model": "syn", "first": 2}), 1, "k")
        assert [impairments.next(syn).lost for syn in (False, True, True, True)] == [False, True, True, False]


class TestJitter:
    @pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto", "paretonormal"])
    @pytest.mark.parametrize("correlation", [0.0, 0.7])
    def test_mean_spread_and_correlation(self, distribution: str, correlation: float) -> None:
        jitter = {"amount": "1ms", "distribution": distribution, "correlation": correlation}
        values = [f.jitter_ns / 1e6 for f in fates(link(jitter=jitter, delay="20ms"), 40000)]
        assert statistics.fmean(values) == pytest.approx(0, abs=0.06)
        expected = 1 / math.sqrt(3) if distribution == "uniform" else 1.0
        assert statistics.stdev(values) == pytest.approx(expected, abs=0.05)
        assert min(values) >= -4
        assert max(values) <= 4.01
        least = correlation / 3 if distribution == "paretonormal" else correlation * 0.75
        assert least - 0.05 <= autocorrelation(values) <= correlation + 0.05

    @given(st.sampled_from(["uniform", "normal", "pareto", "paretonormal"]), st.integers(0, 100))
    @settings(max_examples=20)
    def test_no_delay_falls_below_the_shortest(self, distribution: str, seed: int) -> None:
        jittery = link(jitter={"amount": "3ms", "distribution": distribution}, delay="20ms")
        least = min(20_000_000 + fate.jitter_ns for fate in fates(jittery, 200, seed=seed))
        assert least >= shortest_delay_ns(jittery)


class TestChange:
    def test_an_unchanged_effect_goes_on(self) -> None:
        impairments = Impairments(link(loss={"model": "indexes", "packets": [4]}), 1, "k")
        before = [impairments.next().lost for _ in range(2)]
        impairments.change(link(loss={"model": "indexes", "packets": [4]}, delay="5ms", duplicate=0.5))
        assert before + [impairments.next().lost for _ in range(3)] == [False, False, False, True, False]

    def test_a_changed_one_counts_anew(self) -> None:
        impairments = Impairments(link(loss={"model": "indexes", "packets": [9]}), 1, "k")
        impairments.next()
        impairments.change(link(loss={"model": "indexes", "packets": [1]}))
        assert impairments.next().lost

    def test_plain_is_a_link_without_effects(self) -> None:
        impairments = Impairments(link(delay="5ms", rate="1mbit"), 1, "k")
        assert impairments.plain
        impairments.change(link(duplicate=0.1))
        assert not impairments.plain


KNOWN_LOSSES = [4, 14, 30, 60, 67, 68, 74, 79, 81, 86, 90, 97]
