"""URLs of what a command works on: a log directory, or an Apache Kafka cluster."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.record.errors import UsageError


class KafkaUrl(NamedTuple):
    """servers: host:port, with commas in between, as bootstrap.servers has them."""

    servers: str

    def __str__(self) -> str:
        return f"kafka://{self.servers}"


def parse_url(text: str) -> KafkaUrl | str:
    """kafka://HOST:PORT[,HOST:PORT ...] as KafkaUrl, file:///PATH as the path; UsageError for any other."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() == "kafka":
        servers = rest.rstrip("/").split(",")
        if all(map(_is_server, servers)):
            return KafkaUrl(",".join(servers))
        raise UsageError(f"bad URL {text!r}: use kafka://HOST:PORT[,HOST:PORT]")
    if separator and scheme.lower() == "file":
        from urllib.parse import unquote  # +10 ms

        host, slash, path = rest.partition("/")
        if slash and host in ("", "localhost"):
            return unquote(f"/{path}")
    raise UsageError(f"bad URL {text!r}: use kafka://HOST:PORT, or file:///PATH for a log directory")


def _is_server(text: str) -> bool:
    host, _, port = text.rpartition(":")
    if host.startswith("["):
        host = host[1:-1].replace(":", "") if host.endswith("]") else ""
    return port.isascii() and port.isdigit() and len(port) <= 5 and bool(host) and not set(host) & set(":/@[] \t\n")
