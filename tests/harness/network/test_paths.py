"""Tests of harness.network.paths."""

from harness.network.paths import Attachment, Direction, PathInstance


def test_directions() -> None:
    at = Attachment("node", 1, "eth0")
    forward = Direction("upper", "forward", at, at, "eth1", 1)
    backward = Direction("upper", "backward", at, at, "eth1", 2)
    path = PathInstance("upper", "ipv4", at, at, at, at, "10.1.1.1", "10.1.3.1", forward, backward)
    assert path.directions == (forward, backward)
    assert [direction.key for direction in path.directions] == [("upper", "forward"), ("upper", "backward")]
