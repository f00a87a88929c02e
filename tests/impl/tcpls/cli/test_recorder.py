"""What is kept of connections that are there, and of those that are gone."""

import asyncio

from impl.tcpls.api import ClientSession, Hooks, Session, connect, serve
from impl.tcpls.cli.recorder import Moment, Recorder
from impl.tcpls.paths import Candidate
from tests.support.tls_streams import client_config, run, server_config


async def echo(session: Session) -> None:
    async for stream in session:
        stream.write(await stream.read())
        stream.write_eof()


class TestRecorder:
    def test_a_session_with_a_failure(self) -> None:
        told: list[Moment] = []

        async def main() -> tuple[Recorder, float]:
            async with await serve(echo, ["127.0.0.1"], 0, server_config()) as server:
                recorder = Recorder(on_moment=told.append)
                candidates = [Candidate("127.0.0.1", "127.0.0.1"), Candidate("127.0.0.3", "127.0.0.1")]
                session: ClientSession = await connect(
                    "127.0.0.1",
                    server.addresses[0].port,
                    client_config(),
                    candidates=candidates,
                    hooks=Hooks(on_event=recorder.take),
                )
                recorder.bind(session)
                assert recorder.rows()[0].share == 0
                joined = await session.join("127.0.0.1", local="127.0.0.3")
                stream = session.open_stream(connection=joined)
                stream.write(bytes(100_000))
                stream.write_eof()
                assert len(await stream.read()) == 100_000
                begin = asyncio.get_running_loop().time()
                session.core.lost(joined, "as the test wants it", begin)
                session.driver.work()
                session.close()
                await session.wait_closed()
                return recorder, begin

        async def measured() -> None:
            recorder, begin = await main()
            rows = recorder.rows()
            assert [(row.connection_id, row.state) for row in rows[:2]] == [(0, "closed"), (1, "failed")]
            assert rows[1].path == "127.0.0.3 → 127.0.0.1"
            assert rows[1].reason == "as the test wants it"
            assert rows[1].sent >= 100_000
            assert rows[0].received + rows[1].received >= 100_000
            assert sum(row.share for row in rows) == 1
            assert rows[1].rate > 0
            assert recorder.rows(begin + 1)[1].rate == 0
            assert recorder.ended is not None
            assert recorder.ended.clean
            assert recorder.failure is None

        run(measured())
        assert [(m.what, m.connection) for m in told][:3] == [("started", None), ("joined", 1), ("failed", 1)]
        assert told[-1].what == "ended"
        assert str(told[2]) == "connection 1 failed: as the test wants it"
        assert str(told[0]).startswith("session started: TLS_")
