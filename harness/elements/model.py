"""The random fate of each packet of a direction: loss, jitter, reordering, duplication, corruption. Pure, seeded."""

import math
import random
from typing import NamedTuple

from harness.spec.link import GilbertElliott, IndexedLoss, Jitter, Link, Loss, SynLoss, UniformLoss

_NS = 1_000_000_000
_LIMIT = 4.0  # standard deviations; netem's tables end there too, and a bounded jitter bounds how early a packet is due
# A Pareto variable of shape 3 and least value 1, cut off where it is _LIMIT deviations above its mean; the
# moments are those after the cut, so that the jitter's amount is its standard deviation.
_PARETO_SHAPE = 3.0
_PARETO_TOP = 3.73
_PARETO_MEAN = 1.5 - 0.5 / _PARETO_TOP**2
_PARETO_DEVIATION = math.sqrt(3 - 2 / _PARETO_TOP - _PARETO_MEAN**2)
_MIX = math.hypot(0.25, 0.75)


class Fate(NamedTuple):
    """What happens to one packet.

    Attributes:
        lost: dropped on arrival.
        jitter_ns: added to the delay; may be negative.
        overtakes: passes at once, before those that wait.
        duplicated: a copy follows right behind it.
        corrupt_at: where one bit is flipped, as a fraction of the packet's bits; negative: nowhere.

    """

    lost: bool
    jitter_ns: int
    overtakes: bool
    duplicated: bool
    corrupt_at: float


def stream(seed: int, key: str, effect: str) -> random.Random:
    """Return the random numbers of one effect in one direction; a function of its three arguments alone."""
    return random.Random(f"{seed}/{key}/{effect}")  # text is hashed with SHA-512, the same in every Python


class _Events:
    """Events of a given probability, each correlated with the one before: a Markov chain of two states.

    Both the share of events and the correlation of neighbours are then exactly what is asked for. (netem mixes uniform
    numbers, which changes the share.)
    """

    def __init__(self, numbers: random.Random, probability: float, correlation: float) -> None:
        self._random = numbers.random
        self._after_event = probability + correlation * (1 - probability)
        self._otherwise = probability * (1 - correlation)
        # Start as if the chain had run for ever.
        self._threshold = probability

    def next(self) -> bool:
        event = self._random() < self._threshold
        self._threshold = self._after_event if event else self._otherwise
        return event


class _UniformLosses(_Events):
    def __init__(self, numbers: random.Random, loss: UniformLoss) -> None:
        super().__init__(numbers, loss.probability, loss.correlation)

    def lose(self, _is_syn: bool) -> bool:
        return self.next()


class _BurstLosses:
    """Gilbert-Elliott: a transition before each packet, then a loss with the probability of the state."""

    def __init__(self, numbers: random.Random, loss: GilbertElliott) -> None:
        self._random = numbers.random
        self._loss = loss
        self._bad = False

    def lose(self, _is_syn: bool) -> bool:
        loss = self._loss
        moves = self._random() < (loss.to_good if self._bad else loss.to_bad)
        self._bad ^= moves
        # Always two numbers a packet, so that the sequence of states does not hang on the loss probabilities.
        return self._random() < (loss.loss_bad if self._bad else loss.loss_good)


class _IndexedLosses:
    def __init__(self, _numbers: random.Random, loss: IndexedLoss) -> None:
        self._indexes = frozenset(loss.packets)
        self._count = 0

    def lose(self, _is_syn: bool) -> bool:
        self._count += 1
        return self._count in self._indexes


class _SynLosses:
    def __init__(self, numbers: random.Random, loss: SynLoss) -> None:
        self._random = numbers.random
        self._probability = loss.probability
        self._left = math.inf if loss.first is None else loss.first

    def lose(self, is_syn: bool) -> bool:
        if not is_syn or self._left <= 0:
            return False
        self._left -= 1
        return self._random() < self._probability


_Losses = _UniformLosses | _BurstLosses | _IndexedLosses | _SynLosses


def _losses(loss: Loss, numbers: random.Random) -> _Losses:
    match loss:
        case UniformLoss():
            return _UniformLosses(numbers, loss)
        case GilbertElliott():
            return _BurstLosses(numbers, loss)
        case IndexedLoss():
            return _IndexedLosses(numbers, loss)
        case SynLoss():
            return _SynLosses(numbers, loss)


class _Jitters:
    """Jitter with exactly the asked-for distribution, whatever the correlation.

    The correlated sequence is normal (autoregressive of first order) and is then mapped onto the distribution.
    """

    def __init__(self, numbers: random.Random, jitter: Jitter) -> None:
        self._numbers = numbers
        self._amount = jitter.amount * _NS
        self._distribution = jitter.distribution
        self._keep = jitter.correlation
        self._add = math.sqrt(1 - jitter.correlation**2)
        self._state: float | None = None

    def next(self) -> int:
        fresh = self._numbers.gauss(0.0, 1.0)
        self._state = fresh if self._state is None else self._keep * self._state + self._add * fresh
        return round(self._amount * self._value(self._state))

    def _value(self, normal: float) -> float:
        """Map a standard normal number onto the distribution, in units of the jitter's amount."""
        if self._distribution == "normal":
            return max(-_LIMIT, min(_LIMIT, normal))
        uniform = 0.5 * (1 + math.erf(normal / math.sqrt(2)))
        if self._distribution == "uniform":
            return 2 * uniform - 1
        tail = max(1 - uniform, _PARETO_TOP**-_PARETO_SHAPE)
        pareto = (math.pow(tail, -1 / _PARETO_SHAPE) - _PARETO_MEAN) / _PARETO_DEVIATION
        if self._distribution == "pareto":
            return pareto
        other = self._numbers.gauss(0.0, 1.0)
        return max(-_LIMIT, min(_LIMIT, (0.25 * other + 0.75 * pareto) / _MIX))


class Impairments:
    """All random choices of one direction.

    Every effect has its own random numbers and takes the same share of them for each packet, lost or not: turning one
    effect on or off leaves the choices of the others as they were. ``link`` may change at any time; an effect whose
    description stays the same goes on, one that changes starts anew (counts of packet indexes too) with the random
    numbers that follow.

    Args:
        link: what the direction does.
        seed: the run's.
        key: names the direction, such as ``"lte/forward"``.

    """

    def __init__(self, link: Link, seed: int, key: str) -> None:
        self._streams = {
            effect: stream(seed, key, effect)
            for effect in ("loss", "jitter", "reorder", "duplicate", "corrupt", "corrupt_at")
        }
        self._loss: _Losses | None = None
        self._jitter: _Jitters | None = None
        self._reorder: _Events | None = None
        self.link = Link()
        self.change(link)

    @property
    def plain(self) -> bool:
        """Whether every packet has the same fate: to wait for the delay."""
        return self._plain

    def change(self, link: Link) -> None:
        """Take another description from the next packet on."""
        old, self.link = self.link, link
        if link.loss != old.loss:
            self._loss = None if link.loss is None else _losses(link.loss, self._streams["loss"])
        if link.jitter != old.jitter:
            self._jitter = None if link.jitter is None else _Jitters(self._streams["jitter"], link.jitter)
        if link.reorder != old.reorder:
            reorder = link.reorder
            self._reorder = None
            if reorder is not None:
                self._reorder = _Events(self._streams["reorder"], reorder.probability, reorder.correlation)
        self._duplicate, self._corrupt = link.duplicate, link.corrupt
        effects = (self._loss, self._jitter, self._reorder)
        self._plain = effects == (None, None, None) and not self._duplicate and not self._corrupt

    def next(self, is_syn: bool = False) -> Fate:
        """Decide on the next packet, in order of arrival."""
        streams = self._streams
        corrupt_at = -1.0
        if self._corrupt and streams["corrupt"].random() < self._corrupt:
            corrupt_at = streams["corrupt_at"].random()
        return Fate(
            lost=self._loss is not None and self._loss.lose(is_syn),
            jitter_ns=self._jitter.next() if self._jitter is not None else 0,
            overtakes=self._reorder is not None and self._reorder.next(),
            duplicated=bool(self._duplicate) and streams["duplicate"].random() < self._duplicate,
            corrupt_at=corrupt_at,
        )


def shortest_delay_ns(link: Link) -> int:
    """Return a bound below which no packet's delay falls, reordered ones apart."""
    spread = 0.0
    if link.jitter is not None:
        spread = link.jitter.amount * (1 if link.jitter.distribution == "uniform" else _LIMIT)
    return max(0, round((link.delay - spread) * _NS))
