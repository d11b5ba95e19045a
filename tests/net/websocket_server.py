"""A WebSocket server of python3-websockets on 127.0.0.1: prints its port, then echoes. "close" closes with 4001."""
import asyncio
import ssl
import sys

import websockets


async def echo(connection, path):
    async for message in connection:
        if message == "close":
            await connection.close(4001, "as asked")
        elif message == "path":
            await connection.send(path)
        elif message == "ping":
            await (await connection.ping(b"are you there"))
            await connection.send("pong came")
        else:
            await connection.send(message)


async def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    async with websockets.serve(echo, "127.0.0.1", 0, ssl=context, max_size=1 << 24, compression="deflate") as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
