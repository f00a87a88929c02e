"""NFQUEUE over plain netlink: packets of this kernel, handed to a program that delays, drops, marks or rewrites them.

An iptables rule hands packets over, and a ``Queue`` of the same network namespace takes them::

    # iptables -t mangle -A FORWARD -i eth0 -j NFQUEUE --queue-num 7
    with Queue(7, copy=65531) as queue:
        while select.select([queue], [], []):
            for packet in queue.receive():
                if packet.payload[8] > 1:
                    queue.accept(packet.id, payload=rewritten(packet.payload))
                else:
                    queue.drop(packet.id)
            queue.flush()

A packet may wait for its verdict as long as one likes. ``Queue.receive_arrivals`` and ``Queue.accept_up_to`` are for
programs that handle a hundred thousand packets a second. ``impl.nfqueue.netlink`` has the netlink codec and socket,
usable for every other netlink protocol too.
"""

from impl.nfqueue.messages import Arrival, Packet
from impl.nfqueue.netlink import NetlinkError, NetlinkSocket
from impl.nfqueue.queue import Queue

__all__ = ["Arrival", "NetlinkError", "NetlinkSocket", "Packet", "Queue"]
