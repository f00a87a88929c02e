"""Numbers of the draft."""

from impl.tcpls.registries import DEFAULT_JOIN_EXTENSION, DEFAULT_TCPLS_EXTENSION, FrameType


class TestFrameTypes:
    def test_are_those_of_table_2(self) -> None:
        assert [(kind.value, kind.name) for kind in FrameType] == [
            (0, "PADDING"),
            (1, "PING"),
            (2, "STREAM"),
            (3, "STREAM_FIN"),
            (4, "ACK"),
            (5, "NEW_TOKEN"),
            (6, "CONNECTION_RESET"),
        ]


class TestExtensionTypes:
    def test_are_two_of_those_for_private_use(self) -> None:
        types = {int(DEFAULT_TCPLS_EXTENSION), int(DEFAULT_JOIN_EXTENSION)}
        assert [number >> 8 for number in types] == [0xFF, 0xFF]
