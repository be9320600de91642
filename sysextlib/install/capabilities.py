"""File capabilities: from setcap's text to the bytes of the ``security.capability`` xattr.

Sources: cap_from_text(3) for the text, linux/capability.h for names and the xattr
(struct vfs_cap_data, revision 2).
"""

from __future__ import annotations

import re
import struct

XATTR = "security.capability"
REVISION_2 = 0x02000000
EFFECTIVE = 0x000001
# fmt: off
NAMES = (  # in the order of their numbers
    "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid",
    "cap_kill", "cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable",
    "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin", "cap_net_raw", "cap_ipc_lock",
    "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace",
    "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource",
    "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write",
    "cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog",
    "cap_wake_alarm", "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf",
    "cap_checkpoint_restore",
)
# fmt: on
_BITS = {name: 1 << bit for bit, name in enumerate(NAMES)}
_ALL = (1 << len(NAMES)) - 1
_CLAUSE = re.compile(r"([^-+=]*)([-+=][eip]*(?:[-+][eip]+)*)")


def capability_xattr(text: str) -> bytes:
    """Return the xattr that ``setcap text FILE`` writes.

    "all" means every capability that is known here, whatever the build host's kernel knows.

    :raises ValueError: the text is not understood, or no file can hold what it says.
    """
    sets = {"e": 0, "i": 0, "p": 0}
    clauses = text.split()
    if not clauses:
        raise ValueError("no capabilities are named")
    for clause in clauses:
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError(f"{clause!r} is not a clause of names, operator and flags")
        _apply(sets, match[1].lower(), match[2])
    effective, inheritable, permitted = sets["e"], sets["i"], sets["p"]
    if effective and (permitted | inheritable) & ~effective:
        raise ValueError(f"a file has one effective bit for all; {text!r} wants it for some")
    return struct.pack(
        "<5I",
        REVISION_2 | (EFFECTIVE if effective else 0),
        permitted & 0xFFFFFFFF,
        inheritable & 0xFFFFFFFF,
        permitted >> 32,
        inheritable >> 32,
    )


def _apply(sets: dict[str, int], names: str, actions: str) -> None:
    bits = 0
    for name in names.split(","):
        if name == "all" or not names:
            bits |= _ALL
        elif name in _BITS:
            bits |= _BITS[name]
        elif re.fullmatch("[0-9]{1,3}", name) and int(name) < len(NAMES):
            bits |= 1 << int(name)
        else:
            raise ValueError(f"there is no capability {name[:40]!r}")
    for operator, flags in re.findall(r"([-+=])([eip]*)", actions):
        if operator != "=" and not (flags and names):
            raise ValueError(f"{operator} needs names before it and flags behind it")
        for flag in sets:
            if operator == "=":
                sets[flag] &= ~bits
            if flag in flags:
                sets[flag] = sets[flag] & ~bits if operator == "-" else sets[flag] | bits
