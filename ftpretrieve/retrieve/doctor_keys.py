"""What `doctor` finds in the keys alone: those that do nothing, that contradict each other, or name what is not there.

Must not: repeat what loading the configuration refuses anyway.
"""

import os
from collections.abc import Iterator

from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.findings import Finding, fail, warn
from ftpretrieve.units import format_duration


def check_keys(conf: AppConf) -> Iterator[Finding]:
    """Tell of keys that do nothing or contradict each other, and of files for TLS that cannot be read."""
    active = [name for name in ("ftp_active_ports", "ftp_active_address") if getattr(conf, name)]
    first, last = conf.ftp_active_ports or (0, 65_535)
    ports, short = last - first + 1, format_duration(conf.ftp_duration_secs)
    for is_wrong, told, fix in (
        (conf.ftp_passive and active, f"{' and '.join(active)} do nothing while ftp_passive = yes", "set it to no"),
        (
            not conf.ftp_passive and conf.ftp_pasv_address == "server",
            "ftp_pasv_address does nothing while ftp_passive = no",
            "remove it, or set ftp_passive = yes",
        ),
        (
            not conf.ftp_passive and ports < conf.ftp_connections,
            f"{ports} ports of ftp_active_ports for ftp_connections = {conf.ftp_connections}",
            "allow as many ports as connections, better some more",
        ),
        (
            conf.settle == "secs" and conf.settle_secs >= conf.ftp_duration_secs,
            f"no session of ftp_duration_secs = {short} sees a file twice, settle_secs apart: large ones never come",
            "raise ftp_duration_secs well above settle_secs, or set settle = polls",
        ),
    ):
        if is_wrong:
            yield warn("keys", told, fix)
    for name in ("ftp_ca_file", "ftp_client_cert", "ftp_client_key"):
        path = getattr(conf, name)
        if path is not None and not os.access(path, os.R_OK):
            yield fail(name, f"{path} is not there, or cannot be read by this user", "each poll is refused without it")
