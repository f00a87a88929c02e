"""Requests, slices, and the assembly of a payload."""

import hashlib
import socket
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.contract.setting import TEST_CASES, EndpointError, TestCase, read_setting
from impl.contract.transfer import REQUEST_SIZE, Assembly, PeerClosed, Request, receive_exactly, slice_bounds


class TestRequest:
    @given(
        case=st.sampled_from(TEST_CASES),
        stream=st.integers(0, 1023),
        size=st.integers(0, (1 << 64) - 1),
        token=st.integers(0, (1 << 64) - 1),
        objects=st.booleans(),
    )
    def test_round_trip(self, case: TestCase, stream: int, size: int, token: int, objects: bool) -> None:
        request = Request(testcase=case, stream=stream, streams=stream + 1, size=size, token=token, objects=objects)
        assert len(request.encode()) == REQUEST_SIZE
        assert Request.decode(request.encode()) == request

    @given(st.binary(min_size=REQUEST_SIZE, max_size=REQUEST_SIZE))
    def test_other_bytes_are_refused(self, data: bytes) -> None:
        if data[:4] != b"HKT1":
            with pytest.raises(EndpointError, match="no request"):
                Request.decode(data)

    def test_check(self) -> None:
        case = {"TESTCASE": "download", "CONNECT": "10.0.0.2", "PORT": "4433", "EVENTS": "events"}
        variables = case | {"BYTES": "100", "STREAMS": "2"}
        told = read_setting({f"HARNESS_{name}": value for name, value in variables.items()}, "client")
        request = Request(testcase="download", stream=1, streams=2, size=100, token=7)
        request.check(told)
        for other in (replace(request, testcase="upload"), replace(request, size=99), replace(request, streams=3)):
            with pytest.raises(EndpointError, match="the server was told download of 100 bytes in 2"):
                other.check(told)


class TestSlices:
    @given(size=st.integers(0, 1 << 40), streams=st.integers(1, 64))
    def test_contiguous_and_even(self, size: int, streams: int) -> None:
        bounds = [slice_bounds(size, streams, stream) for stream in range(streams)]
        assert bounds[0][0] == 0
        assert bounds[-1][1] == size
        assert all(left[1] == right[0] for left, right in zip(bounds, bounds[1:], strict=False))  # noqa: RUF007
        lengths = [end - begin for begin, end in bounds]
        assert max(lengths) - min(lengths) <= 1


class TestAssembly:
    @given(data=st.data(), size=st.integers(0, 5000), streams=st.integers(1, 5))
    def test_any_order_gives_the_hash_in_order(self, data: st.DataObject, size: int, streams: int) -> None:
        payload = bytes(i * 7 % 251 for i in range(size))
        assembly = Assembly(size, streams)
        order = data.draw(st.permutations(range(streams)))
        last = []
        for stream in order:
            left, right = socket.socketpair()
            with left, right:
                begin, end = slice_bounds(size, streams, stream)
                left.sendall(payload[begin:end])
                last.append(assembly.receive(right, stream, lambda _count: None))
        assert last == [False] * (streams - 1) + [True]
        whole, parts = assembly.digest()
        assert whole == hashlib.sha256(payload).hexdigest()
        assert len(parts) == streams

    @pytest.mark.parametrize("stream", [0, 1])
    def test_early_end(self, stream: int) -> None:
        left, right = socket.socketpair()
        with right:
            left.sendall(b"1234")
            left.close()
            with pytest.raises(PeerClosed, match="after 4 of 50 bytes"):
                Assembly(100, 2).receive(right, stream, lambda _count: None)

    def test_stream_twice(self) -> None:
        assembly = Assembly(0, 2)
        left, right = socket.socketpair()
        with left, right:
            assembly.receive(right, 1, lambda _count: None)
            with pytest.raises(EndpointError, match="stream 1 came twice"):
                assembly.receive(right, 1, lambda _count: None)

    @given(data=st.data(), size=st.integers(0, 40), streams=st.integers(1, 5))
    def test_fed_in_any_pieces_and_order(self, data: st.DataObject, size: int, streams: int) -> None:
        payload = bytes(i * 7 % 251 for i in range(size))
        assembly = Assembly(size, streams)
        left = {stream: payload[slice(*slice_bounds(size, streams, stream))] for stream in range(streams)}
        finished = []
        while left:
            stream = data.draw(st.sampled_from(sorted(left)))
            count = data.draw(st.integers(min(1, len(left[stream])), len(left[stream])))
            assembly.feed(stream, left[stream][:count])
            left[stream] = left[stream][count:]
            if not left[stream]:
                del left[stream]
                finished.append(assembly.finish(stream))
        assert finished == [False] * (streams - 1) + [True]
        assert assembly.digest()[0] == hashlib.sha256(payload).hexdigest()

    @pytest.mark.parametrize("stream", [0, 1])
    def test_fed_too_much_or_too_little(self, stream: int) -> None:
        assembly = Assembly(100, 2)
        assembly.feed(stream, bytes(49))
        with pytest.raises(PeerClosed, match=f"stream {stream} ended after 49 of 50 bytes"):
            assembly.finish(stream)
        with pytest.raises(EndpointError, match=f"stream {stream} has 50 bytes, and more came"):
            assembly.feed(stream, bytes(2))
        assembly.feed(stream, bytes(1))
        assembly.finish(stream)
        with pytest.raises(EndpointError, match=f"stream {stream} came twice"):
            assembly.finish(stream)

    def test_receive_exactly_waits_for_all(self) -> None:
        left, right = socket.socketpair()
        with left, right:
            left.sendall(b"ab")
            later = threading.Thread(target=lambda: left.sendall(b"cdef"))
            later.start()
            assert receive_exactly(right, 5) == b"abcde"
            later.join()
