"""Tests of harness.elements.line: order, times, changes and counters, mostly as properties of whole histories."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from harness.elements.line import FRAME_HEADER, Line, Verdict, flip_bit
from harness.spec.link import Link

MS = 1_000_000


def link(**fields: object) -> Link:
    return Link.model_validate(fields)


@dataclass
class Drive:
    """A line with a kernel's queue behind it, driven on a virtual clock."""

    line: Line
    queue: list[int] = field(default_factory=list)
    out: list[tuple[int, int]] = field(default_factory=list)  # id, when
    dropped: list[int] = field(default_factory=list)
    copies: int = 0
    now: int = 0
    ids: int = 0

    def run_until(self, time: int) -> None:
        while (due := self.line.deadline()) is not None and due <= time:
            self.now = max(self.now, due)
            self.apply(self.line.release(self.now, self.now))
        self.now = time

    def arrive(self, length: int = 1500, *, payload: bytes | None = None) -> None:
        self.ids += 1
        self.queue.append(self.ids)
        if payload is None:
            self.apply(self.line.arrive([(self.ids, self.now, length)]))
        else:
            verdict = self.line.arrive_whole(self.ids, self.now, len(payload), is_syn=False, payload=payload)
            self.apply([verdict] if verdict is not None else [])

    def apply(self, verdicts: list[Verdict]) -> None:
        for kind, packet_id, _, copy in verdicts:
            self.copies += copy is not None
            if kind == "drop":
                self.queue.remove(packet_id)
                self.dropped.append(packet_id)
            elif kind == "pass":
                self.queue.remove(packet_id)
                self.out.append((packet_id, self.now))
            else:
                passed = [waiting for waiting in self.queue if waiting <= packet_id]
                self.queue = [waiting for waiting in self.queue if waiting > packet_id]
                self.out += [(waiting, self.now) for waiting in passed]


delays = st.integers(0, 200).map(lambda ms: {"delay": f"{ms}ms"})
jitters = st.builds(
    lambda amount, kind: {"jitter": {"amount": f"{amount}ms", "distribution": kind}},
    st.integers(0, 50),
    st.sampled_from(["uniform", "normal", "pareto"]),
)
ordered_links = st.builds(
    lambda delay, jitter, rest: link(**delay, **jitter, **rest),
    delays,
    jitters | st.just({}),
    st.fixed_dictionaries({}, optional={"loss": st.just(0.2), "duplicate": st.just(0.2), "corrupt": st.just(0.2)}),
)
events = st.lists(st.integers(0, 30) | ordered_links, max_size=60)


def play(drive: Drive, history: list[int | Link], payload: bytes | None) -> None:
    for event in history:
        if isinstance(event, int):
            drive.run_until(drive.now + event * MS)
            drive.arrive(payload=payload)
        else:
            drive.line.change(event)
    drive.run_until(drive.now + 10**12)


class TestOrder:
    @given(ordered_links, events, st.sampled_from([None, b"p" * 100]))
    def test_nothing_is_lost_or_reordered_by_jitter_or_changes(
        self, first: Link, history: list[int | Link], payload: bytes | None
    ) -> None:
        drive = Drive(Line(first, 1, "p/forward"))
        play(drive, history, payload)
        passed = [packet_id for packet_id, _ in drive.out]
        assert passed == sorted(passed)
        assert sorted(passed + drive.dropped) == list(range(1, drive.ids + 1))
        assert drive.queue == []
        assert len(drive.dropped) == drive.line.counters.lost

    @given(ordered_links, events, st.sampled_from([None, b"p" * 100]))
    def test_counters_add_up(self, first: Link, history: list[int | Link], payload: bytes | None) -> None:
        drive = Drive(Line(first, 1, "p/forward"))
        play(drive, history, payload)
        counters = drive.line.counters
        size = (1500 if payload is None else len(payload)) + FRAME_HEADER
        assert counters.packets_in == drive.ids
        assert counters.packets_out == counters.packets_in - counters.lost + counters.duplicated
        assert (counters.bytes_in, counters.bytes_out) == (counters.packets_in * size, counters.packets_out * size)
        assert counters.lost_bytes == counters.lost * size
        assert drive.copies == counters.duplicated

    @given(ordered_links, st.lists(st.integers(0, 30), max_size=40))
    def test_the_same_history_has_the_same_end(self, first: Link, history: list[int]) -> None:
        ends = []
        for _ in range(2):
            drive = Drive(Line(first, 1, "p/forward"))
            play(drive, list(history), None)
            ends.append((drive.out, drive.dropped))
        assert ends[0] == ends[1]


class TestTimes:
    def test_each_packet_waits_for_the_delay(self) -> None:
        drive = Drive(Line(link(delay="20ms"), 1, "k"))
        for time in (0, 1, 5):
            drive.run_until(time * MS)
            drive.arrive()
        drive.run_until(100 * MS)
        assert drive.out == [(1, 20 * MS), (2, 21 * MS), (3, 25 * MS)]

    def test_a_reordered_packet_passes_at_once(self) -> None:
        drive = Drive(Line(link(delay="20ms"), 1, "k"))
        drive.arrive()
        drive.line.change(link(delay="20ms", reorder={"probability": 1}))
        drive.arrive()
        drive.run_until(100 * MS)
        assert drive.out == [(2, 0), (1, 20 * MS)]
        assert drive.line.counters.reordered == 1

    def test_after_a_cut_of_the_delay_later_packets_wait_for_earlier_ones(self) -> None:
        drive = Drive(Line(link(delay="100ms"), 1, "k"))
        drive.arrive()
        drive.run_until(10 * MS)
        drive.line.change(link(delay="1ms"))
        drive.arrive()
        drive.run_until(200 * MS)
        drive.arrive()
        drive.run_until(300 * MS)
        assert drive.out == [(1, 100 * MS), (2, 100 * MS), (3, 201 * MS)]

    def test_the_clocks_offset_is_subtracted(self) -> None:
        line = Line(link(delay="20ms"), 1, "k")
        line.arrive([(1, 1000 * MS, 100)], 400 * MS)
        assert line.deadline() == 620 * MS

    def test_lateness_is_counted(self) -> None:
        line = Line(link(delay="1ms"), 1, "k")
        line.arrive([(1, 0, 100), (2, 2 * MS, 100)])
        line.release(4 * MS, 4 * MS)
        counters = line.counters
        assert (counters.released, counters.late_sum_ns) == (2, 4 * MS)
        assert (counters.late_max_ns, counters.late_count) == (3 * MS, 1)


class TestGrouping:
    def test_the_last_of_a_group_is_found(self) -> None:
        line = Line(link(), 1, "k")
        line.arrive([(n, n * MS, 100) for n in range(1, 5)])
        assert line.last_due_within(3 * MS) == 3 * MS
        assert line.last_due_within(10 * MS) == 4 * MS

    def test_a_long_group_is_not_searched(self) -> None:
        line = Line(link(), 1, "k")
        line.arrive([(n, n, 100) for n in range(1, 100)])
        assert line.last_due_within(50) == 50

    def test_plain_packets_leave_with_one_verdict(self) -> None:
        line = Line(link(), 1, "k")
        line.arrive([(n, n, 100) for n in range(1, 100)])
        assert line.release(1000, 1000) == [Verdict("pass_up_to", 99)]


class TestAlteration:
    def test_a_corrupted_packet_keeps_its_place(self) -> None:
        line = Line(link(), 1, "k")
        line.arrive([(1, 1, 100)])
        line.change(link(corrupt=1.0))
        line.arrive_whole(2, 2, 4, is_syn=False, payload=b"abcd")
        line.change(link())
        line.arrive([(3, 3, 100)])
        kinds = [(verdict.kind, verdict.packet_id) for verdict in line.release(10, 10)]
        assert kinds == [("pass_up_to", 1), ("pass", 2), ("pass_up_to", 3)]

    def test_without_its_bytes_a_packet_stays_whole(self) -> None:
        line = Line(link(corrupt=1.0, duplicate=1.0), 1, "k")
        line.arrive_whole(1, 0, 100, is_syn=False, payload=None)
        assert line.release(10, 10) == [Verdict("pass_up_to", 1)]
        assert (line.counters.corrupted, line.counters.duplicated) == (0, 0)

    @given(st.binary(min_size=1, max_size=100), st.floats(0, 1, exclude_max=True))
    def test_exactly_one_bit_is_flipped(self, packet: bytes, where: float) -> None:
        changed = flip_bit(packet, where)
        difference = int.from_bytes(packet, "big") ^ int.from_bytes(changed, "big")
        assert difference.bit_count() == 1
