"""TCP links that can be made slow, stalled, cut, half open or lying.

A process of its own (python3 proxy.py). It reads commands, a line each, and
answers each with a line, "ok":

    link NAME HOST:PORT HOST:PORT    accept at the first, connect to the second
    mode MODE NAME...                how these links are from now on

MODE, for connections that stand and for new ones:
    ok
    slow        each piece waits 50 to 150 ms, either way
    stalled     accepted, and nothing passes any more
    cut         reset, and new ones refused by reset
    half_open   what the client sends passes; answers are lost
    lying       one bit of every second piece is flipped, either way

A piece that was lost, flipped or held back would leave the stream damaged
after the fault: leaving stalled, half_open or lying resets the connections
that it had, as a middlebox would that forgot them.
"""

import asyncio
import random
import socket
import struct
import sys

DAMAGING = ("stalled", "half_open", "lying")
PIECE = 64 * 1024


def reset(writer):
    """Closes with RST: the other end knows at once, as after a crash."""
    if writer.is_closing():
        return
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Link:
    def __init__(self, target):
        self.target = target
        self.mode = "ok"
        self.changed = asyncio.Event()
        self.writers = set()
        self.random = random.Random(0)

    def set_mode(self, mode):
        if mode == "cut" or self.mode in DAMAGING:
            for writer in list(self.writers):
                reset(writer)
        self.mode = mode
        self.changed.set()
        self.changed = asyncio.Event()

    async def accept(self, reader, writer):
        self.writers.add(writer)
        back = None
        try:
            if self.mode == "cut":
                reset(writer)
                return
            host, port = self.target
            try:
                far, back = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
            except (OSError, asyncio.TimeoutError):
                reset(writer)
                return
            self.writers.add(back)
            ways = [asyncio.create_task(self.pass_on(reader, back, "there")),
                    asyncio.create_task(self.pass_on(far, writer, "back"))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        finally:
            for end in (writer, back):
                if end is not None:
                    self.writers.discard(end)
                    end.close()  # What was passed on still arrives.

    async def pass_on(self, reader, writer, way):
        odd = False
        while True:
            try:
                piece = await reader.read(PIECE)
                if not piece:
                    return
                while self.mode == "stalled":
                    await self.changed.wait()
                if self.mode == "half_open" and way == "back":
                    continue
                if self.mode == "slow":
                    await asyncio.sleep(0.05 + 0.1 * self.random.random())
                odd = not odd
                if self.mode == "lying" and odd:
                    lie = bytearray(piece)
                    at = self.random.randrange(len(lie))
                    lie[at] ^= 1 << self.random.randrange(8)
                    piece = bytes(lie)
                writer.write(piece)
                await writer.drain()
            except OSError:
                reset(writer)
                return


async def main():
    links = {}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] == "link":
            name, listen, target = line[1:]
            links[name] = Link(tuple(target.split(":")))
            host, port = listen.split(":")
            await asyncio.start_server(links[name].accept, host, int(port))
        else:
            for name in line[2:]:
                links[name].set_mode(line[1])
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
