"""localstripe as a process: ``python localstripe_server.py PORT``, with what it lacks of Stripe.

Stripe answers a repeated ``Idempotency-Key`` with the stored first answer, and lists intents by the time they were made;
localstripe does neither. ``POST /_config/misfortune/{kind}`` lets the next POST be lost before (``lose_request``) or
after (``lose_answer``) it was carried out, or fail (``fail``). Nothing is written to disk.
"""

from __future__ import annotations

import sys
from collections import Counter

from aiohttp import web
from localstripe import resources, server

answers: dict[str, tuple[int, str]] = {}
misfortunes: list[str] = []
requests: Counter[str] = Counter()


@web.middleware
async def like_stripe(request: web.Request, handler):
    if request.method != "POST" or request.path.startswith("/_config/"):
        return await handler(request)
    misfortune = misfortunes.pop() if misfortunes else None
    if misfortune == "lose_request":
        return cut(request)
    if misfortune == "fail":
        return web.json_response({"error": {"type": "api_error", "message": "try later"}}, status=500)
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        requests[key] += 1
    if key in answers:
        status, text = answers[key]
        return web.Response(status=status, text=text, content_type="application/json")
    answer = await handler(request)
    if key is not None:
        answers[key] = (answer.status, answer.text)
    return cut(request) if misfortune == "lose_answer" else answer


def cut(request: web.Request) -> web.Response:
    """The connection breaks and nothing is answered."""
    request.transport.abort()
    return web.Response()


def listed_since(cls, url, created=None, **kwargs):
    """PaymentIntents that were made since, as Stripe's list has them."""
    found = super(resources.PaymentIntent, cls)._api_list_all(url, **kwargs)
    since = int((created or {}).get("gte", 0))
    found._list = [intent for intent in found._list if intent.created >= since]
    return found


async def misfortune(request: web.Request) -> web.Response:
    misfortunes.append(request.match_info["kind"])
    return web.Response()


async def sent(request: web.Request) -> web.Response:
    """How often a key was sent."""
    return web.json_response(requests[request.match_info["key"]])


if __name__ == "__main__":
    resources.Store.dump_to_disk = lambda self: None
    resources.PaymentIntent._api_list_all = classmethod(listed_since)
    server.app.middlewares.insert(0, like_stripe)
    server.app.router.add_post("/_config/misfortune/{kind}", misfortune)
    server.app.router.add_get("/_config/sent/{key}", sent)
    web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
