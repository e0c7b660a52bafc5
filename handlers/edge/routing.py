"""Connexion's routing, with a dictionary in front of it and with whole 404 and 405 answers.

The dictionary is there for its speed (docs/architecture.md has the measure), the rest for what is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.middleware.routing import RoutingMiddleware
from connexion.spec import Specification
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.contract.model import OperationContract
from handlers.edge.refusals import MethodeInterdite, RessourceInconnue


class CynodRoutingMiddleware(RoutingMiddleware):
    """Finds the operation of a request.

    Upstream walks two Starlette routers with their regular expressions for each request. A path
    without parameters is one dictionary look-up; the others still take upstream's way. Upstream's
    `Allow` lists one method only; here it lists all that the contract has for the path, and HEAD with GET.
    """

    def __init__(self, app: ASGIApp, *, operations: Iterable[OperationContract]) -> None:
        super().__init__(app)
        self.router.redirect_slashes = False
        self._plain: dict[str, dict[str, str]] = {}
        self._templated: dict[str, set[str]] = {}
        for operation in operations:
            # RFC 9110, 9.3.2: HEAD is GET without the body, which uvicorn leaves out.
            methods = ("GET", "HEAD") if operation.method == "get" else (operation.method.upper(),)
            if "{" in operation.path:
                self._templated.setdefault(operation.path, set()).update(methods)
            else:
                by_method = dict.fromkeys(methods, operation.operation_id)
                self._plain.setdefault(operation.path, {}).update(by_method)

    def add_api(
        self,
        specification: Specification,
        base_path: str | None = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Register a contract as upstream does, without its redirects.

        Upstream forgets the second of three contracts: here each is asked behind the one before it. A
        redirect for a slash is built from the Host header and carries the query, so the card number, in
        `Location`.
        """
        super().add_api(specification, base_path, arguments, **kwargs)
        mounted: list[Any] = [route.app for route in self.router.routes if isinstance(route, Mount)]
        for router in mounted:
            router.redirect_slashes = False
        for router, next_one in pairwise(mounted):
            router.default = next_one

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the operation in the scope, or raise the refusal of an unknown path or method."""
        if b"%2" in scope["raw_path"] and b"%2f" in scope["raw_path"].lower():
            raise RessourceInconnue  # RFC 3986, 2.2: an encoded slash is data, not a separator
        by_method = self._plain.get(scope["path"])
        if by_method is None:
            await self._route_upstream(scope, receive, send)
            return
        operation_id = by_method.get(scope["method"])
        if operation_id is None:
            raise MethodeInterdite(", ".join(sorted(by_method)))
        # What upstream's RoutingOperation would have written.
        scope["extensions"][ROUTING_CONTEXT] = {"api_base_path": "", "operation_id": operation_id}
        await self.app(scope, receive, send)

    async def _route_upstream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._templated:
            raise RessourceInconnue
        try:
            await super().__call__(scope, receive, send)
        except HTTPException as error:
            if error.status_code == 405:
                allow = self._allow(scope["path"])
                raise MethodeInterdite(allow) from None
            raise RessourceInconnue from None

    def _allow(self, path: str) -> str:
        parts = path.split("/")
        methods: set[str] = set()
        for template, allowed in self._templated.items():
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(
                want == given or want.startswith("{")
                for want, given in zip(wanted, parts, strict=True)
            ):
                methods |= allowed
        return ", ".join(sorted(methods))
