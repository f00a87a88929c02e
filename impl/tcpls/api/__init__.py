"""TCPLS for asyncio programs, after the standard library's streams.

session = await connect("server.example", 443, ClientConfig(server_name="server.example", trust=trust))
stream = session.open_stream()
stream.write(b"...")
await stream.drain()
answer = await stream.read()

server = await serve(handler, ["192.0.2.1", "2001:db8::1"], 443, ServerConfig(credentials=[...]))
"""

from impl.tcpls.api.connect import ClientSession, connect
from impl.tcpls.api.serve import Refused, Server, serve
from impl.tcpls.api.session import ConnectionStats, Hooks, Session
from impl.tcpls.api.stream import Stream

__all__ = ["ClientSession", "ConnectionStats", "Hooks", "Refused", "Server", "Session", "Stream", "connect", "serve"]
