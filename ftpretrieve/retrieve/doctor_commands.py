"""What `doctor` finds out about the commands of a server, and what the lack of one costs the user.

Asks on a control connection that is logged in; opens no data connection and changes nothing at the server. Must not:
log in, list, or judge the configuration beyond the keys that speak of such a command.
"""

from collections.abc import Iterator, Sequence

from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.findings import Finding, ok, warn
from ftpretrieve.retrieve.ftp_control import Control
from ftpretrieve.retrieve.ftp_data import SIX_NUMBERS
from ftpretrieve.retrieve.ftp_hash import choose
from ftpretrieve.retrieve.ftp_replies import features

ASKED = ("SYST", "FEAT", "REST 1", "REST 0", "PASV", "EPSV")
"""REST 0 takes back what REST 1 has set; the two ports that the server opens are closed again when we log out."""


def check_commands(conf: AppConf, control: Control) -> Iterator[Finding]:
    """Tell which commands the server has. Raises: RemoteUnavailable, SessionExpired."""
    told = {}
    for command in ASKED:
        with control.step(command):
            told[command] = next(control.ask_all([command], False))
    offered = features(told.pop("FEAT"))
    told = {command: control.masked(reply) for command, reply in told.items()}
    yield _software(told["SYST"])
    words = {line.split()[0] for line in offered}
    yield _listings(words)
    yield _resuming(told["REST 1"])
    yield _names(conf, words)
    yield _hashes(conf, offered)
    yield _data_connections(conf, control, told["PASV"], told["EPSV"])
    if conf.ftp_protocol == "ftp" and any(line.startswith(("AUTH TLS", "AUTH SSL")) for line in offered):
        # pure-ftpd announces it even where it has no certificate (measured), so this cannot be a warning.
        yield ok(
            "tls", "not used, password and files go in the clear; the server announces TLS: try ftp_protocol = ftps"
        )


def _software(syst: str) -> Finding:
    told = syst[4:] if syst.startswith("215") else ""
    return ok("server", told or "does not say what it is (SYST)")


def _listings(words: set[str]) -> Finding:
    if "MLST" in words:
        return ok("MLSD", "offered: sizes and UTC times to the second in the listing itself")
    if {"SIZE", "MDTM"} <= words:
        return ok("MLSD", "not offered; LIST, and SIZE and MDTM twice for each new file")
    return ok("MLSD", "not offered by FEAT; LIST, and what SIZE and MDTM answer")


def _resuming(rest: str) -> Finding:
    if rest.startswith("3"):
        return ok("REST", "known: a download that was cut goes on where it was")
    text = f"not known ({rest}): a download that is cut begins anew, and one longer than ftp_duration_secs never ends"
    return warn("REST", text, "raise ftp_duration_secs above the time that the largest file takes")


def _names(conf: AppConf, words: set[str]) -> Finding:
    said = "announced" if "UTF8" in words else "not announced"
    told = f"{said}; names are shown as ftp_encoding = {conf.ftp_encoding}, and no byte of them is changed"
    if "UTF8" in words and conf.ftp_encoding.lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig"):
        return warn("UTF8", told, "set ftp_encoding = utf-8")
    return ok("UTF8", told)


def _hashes(conf: AppConf, offered: Sequence[str]) -> Finding:
    method = choose(offered)
    if method is not None:
        use = "compared" if conf.ftp_verify_hash else "not compared: ftp_verify_hash = no"
        return ok("hashes", f"{method.algorithm} by {method.command}, {use}")
    if conf.ftp_verify_hash:
        text = "none offered: size and time alone tell whether a file came whole"
        return warn("hashes", text, "ask the server's operator for HASH, or set ftp_verify_hash = no")
    return ok("hashes", "none offered")


def _data_connections(conf: AppConf, control: Control, pasv: str, epsv: str) -> Finding:
    if not conf.ftp_passive:
        return ok("data connections", "active: the server connects to us (ftp_passive = no)")
    known = [verb for verb, reply in (("PASV", pasv), ("EPSV", epsv)) if reply.startswith("22")]
    if not known:
        text = f"neither PASV nor EPSV is taken: {pasv}"
        return warn("data connections", text, "set ftp_passive = no, if the server can reach this machine")
    told = f"passive, by {' and '.join(known)}"
    named = SIX_NUMBERS.search(pasv[3:]) if "PASV" in known else None
    assert control.sock is not None
    here = control.sock.getpeername()[0]
    if named is not None and ":" not in here and (host := ".".join(named.groups()[:4])) != here:
        told += f"; PASV names {host}, which is "
        told += "believed" if conf.ftp_pasv_address == "server" else f"ignored for {here} (ftp_pasv_address = control)"
    return ok("data connections", told)
