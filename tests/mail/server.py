"""A mail server (aiosmtpd) that writes what it takes to standard output, a line of JSON each.

Arguments: certificate, key. It prints its two ports first: STARTTLS, TLS from the start.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return f"550 5.1.1 <{address}> no such user"
        if address.startswith("later@"):
            return f"451 4.7.1 <{address}> try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode()
        taken = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": text, "upgraded": session.ssl is not None}
        print(json.dumps(taken), flush=True)
        if "Subject: lost" in text:
            server.transport.abort()
        return "250 OK"


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"shop", b"sw0rdf1sh"), handled=False)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    loop = asyncio.get_running_loop()
    common = {"authenticator": authenticator, "auth_required": True, "hostname": "localhost", "loop": loop}
    start = lambda: SMTP(Handler(), tls_context=context, require_starttls=True, **common)
    implicit = lambda: SMTP(Handler(), auth_require_tls=False, **common)
    servers = [
        await loop.create_server(start, "127.0.0.1", 0),
        await loop.create_server(implicit, "127.0.0.1", 0, ssl=context),
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
