"""Serving the web page: Streamlit, quiet, on this machine only unless told otherwise."""

from __future__ import annotations

import ipaddress
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from documents.errors import SettingsError

UPLOAD_MB = 1024
"""The largest file the page takes, in MiB."""

OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": True,
    # else every poll of a running answer collects garbage over all that PyTorch has loaded: seconds
    "runner.postScriptGC": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": UPLOAD_MB,
    "theme.baseRadius": "0.4rem",
    "theme.light.primaryColor": "#1f5fbf",
    "theme.dark.primaryColor": "#6ea3f0",
    "theme.paddingTop": "1.5rem",
}
"""Streamlit's options; port and address come from the command line."""


def serve(port: int, address: str) -> int:
    """Serve the page until it is stopped (Ctrl-C), then return 0. Raises `SettingsError` where
    the address is taken or not to be had."""
    _check_free(port, address)
    from streamlit.web import bootstrap

    options = {**OPTIONS, "server.port": port, "server.address": address}
    options["server.allowedHosts"] = _hosts(address)
    bootstrap.load_config_options(options)
    shown = f"[{address}]" if ":" in address else address
    sys.stdout.write(f"longdoc: open http://{shown}:{port} in a browser; Ctrl-C stops it.\n")
    sys.stdout.flush()
    bootstrap.run(str(_script()), False, [], options)
    return 0


def _script() -> Path:
    """The page's script. It is found, not imported: it stands on the floor above this one."""
    spec = find_spec("ui")
    if spec is None or spec.origin is None:
        raise SettingsError("The package `ui` is not installed.", "Install longdoc whole.")
    return Path(spec.origin).with_name("main.py")


def _hosts(address: str) -> list[str]:
    """The names the page may be asked for by: on loopback only loopback's own, so that no other
    web site can reach it through a name that it lets point here."""
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name
        loopback = address == "localhost"
    return ["localhost", "127.0.0.1", "[::1]", address] if loopback else []


def _check_free(port: int, address: str) -> None:
    """Streamlit would log an error and leave; say it as every other error is said."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except (OSError, OverflowError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"The page cannot be served on {address}, port {port}: {what}.",
            f"Choose another port: longdoc ui --port {port + 1 if port < 65535 else 8501}",
        ) from error
