"""Which records hold which part of which stream, against a list of single records."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.ledger import Ledger, Run
from impl.tcpls.streams.sending import SendStream


def stream_with(size: int, stream_id: int = 0) -> SendStream:
    stream = SendStream(stream_id)
    stream.write(bytes(size))
    stream.take_new(size)
    return stream


class TestAcknowledgement:
    def test_of_a_part_of_a_run(self) -> None:
        ledger, stream = Ledger(), stream_with(95)
        ledger.add(Run(4, 13, stream, 0, 95, 10))
        freed: list[int] = []
        ledger.acknowledge(3, lambda _, size: freed.append(size))
        assert freed == []
        ledger.acknowledge(5, lambda _, size: freed.append(size))
        assert freed == [20]
        assert ledger.unacknowledged == 75
        ledger.acknowledge(5, lambda _, size: freed.append(size))
        assert freed == [20]
        ledger.acknowledge(13, lambda _, size: freed.append(size))
        assert freed == [20, 75]
        assert not ledger

    def test_of_frames_without_stream_data(self) -> None:
        ledger = Ledger()
        ledger.add(Run(0, 0, None, frame=b"\x06...."))
        ledger.add(Run(2, 2, None))
        ledger.acknowledge(1, lambda *_: None)
        assert [run.first for run in ledger] == [2]


class TestGivingUp:
    def test_each_run_once(self) -> None:
        ledger, stream = Ledger(), stream_with(20)
        ledger.add(Run(0, 0, stream, 0, 10, 10))
        assert len(list(ledger.give_up())) == 1
        ledger.add(Run(1, 1, stream, 10, 20, 10))
        assert [run.start for run in ledger.give_up()] == [10]
        assert list(ledger.give_up()) == []

    def test_what_was_not_sent_again_is_taken_back(self) -> None:
        ledger, stream = Ledger(), stream_with(20)
        ledger.add(Run(0, 1, stream, 0, 20, 10))
        for run in ledger.give_up():
            stream.lose(run.start, run.end, fin=run.fin)
        assert stream.take_lost(5) == (0, 5, False)
        ledger.take_back()
        assert not stream.has_lost
        assert len(list(ledger.give_up())) == 1

    def test_what_is_acknowledged_is_not_given_up(self) -> None:
        ledger, stream = Ledger(), stream_with(30)
        ledger.add(Run(0, 2, stream, 0, 30, 10))
        ledger.acknowledge(1, lambda *_: None)
        assert [(run.first, run.start, run.end) for run in ledger.give_up()] == [(2, 20, 30)]


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_against_single_records(seed: int) -> None:
    rng = random.Random(seed)
    ledger, streams = Ledger(), [SendStream(0), SendStream(2)]
    expected: list[tuple[int, SendStream, int, int]] = []  # each record by itself
    sequence = 0
    for _ in range(rng.randrange(1, 12)):
        stream = rng.choice(streams)
        step, records, short = rng.randrange(1, 20), rng.randrange(1, 6), 0
        short = rng.randrange(step)
        start = stream.written
        stream.write(bytes(step * records - short))
        stream.take_new(10**6)
        end = stream.written
        ledger.add(Run(sequence, sequence + records - 1, stream, start, end, step))
        expected += [(sequence + i, stream, start + i * step, min(start + (i + 1) * step, end)) for i in range(records)]
        sequence += records + rng.randrange(2)  # records without anything to acknowledge lie between
    highest = -1
    while ledger:
        highest += rng.randrange(4)
        ledger.acknowledge(highest, lambda *_: None)
        left = [record for record in expected if record[0] > highest]
        assert ledger.unacknowledged == sum(end - start for _, _, start, end in left)
        for stream in streams:
            firsts = [start for _, owner, start, _ in left if owner is stream]
            assert stream.unacknowledged == stream.written - min(firsts, default=stream.written)
