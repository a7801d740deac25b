"""The few requests that the harness itself makes to the API server, with the standard library."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

from . import pki
from .layout import API_SERVER_PORT, ClusterError, Layout


class ApiClient:
    """The cluster's administrator. A connection per request: the API server may have been restarted in between."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._tls: ssl.SSLContext | None = None

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The decoded answer: an object, or text where it isn't JSON.

        Raises:
            ClusterError: the API server refused; with its message.
            OSError: it can't be reached.
        """
        status, text = self._exchange(method, path, body, content_type)
        if status >= http.client.BAD_REQUEST:
            raise ClusterError(f"{method} {path}: {status} {text[:1000]}")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def succeeds(self, path: str) -> bool:
        """Whether a GET is answered well; False also when nobody answers."""
        try:
            return self._exchange("GET", path, None, "")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def node_ready(self, name: str, resources: tuple[str, ...] = ()) -> bool:
        """Whether the node is Ready, open for pods and offers all these resources."""
        try:
            node = self.request("GET", f"/api/v1/nodes/{name}")
        except (ClusterError, OSError, http.client.HTTPException):
            return False
        conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", [])}
        offered = node["status"].get("allocatable", {})
        usable = all(offered.get(resource, "0") != "0" for resource in resources)
        return conditions.get("Ready") == "True" and usable and not node["spec"].get("taints")

    def _exchange(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("127.0.0.1", API_SERVER_PORT, timeout=10, context=self._context())
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": content_type} if body is not None else {})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            authority = pki.authority(self._layout)
            if not Path(authority).exists():
                raise ConnectionError("no cluster has been started here")
            self._tls = ssl.create_default_context(cafile=authority)
            self._tls.load_cert_chain(*pki.certificate_pair(self._layout, pki.ADMIN))
        return self._tls
