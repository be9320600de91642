"""The packages of OEM extensions, and what they need, of the shape that they have upstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.gentoo.arch import Arch
from tests.builders.catalogue import DEBUG, PYTHON, UNIT, package, units, wanted

if TYPE_CHECKING:
    from tests.builders.binpkg import PackageSpec

_CLOUD_CONFIG = "usr/share/flatcar/cloud-config.yml"
_ENVIRONMENT = "usr/bin/flatcar-setup-environment"


@dataclass(frozen=True, kw_only=True)
class Oem:
    """What an ebuild oem-ID says and installs.

    :param version: PVR.
    :param name: SYSEXT_NAME.
    :param wants: units that it enables.
    """

    version: str
    name: str
    home: str
    needs: str = ""
    paths: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()


def _chrony(key: str, dropin: str) -> tuple[str, ...]:
    return (
        f"{UNIT}/chronyd.service.d/{dropin}",
        "usr/lib/tmpfiles.d/var-chrony.conf",
        "usr/lib/tmpfiles.d/etc-chrony.conf",
        f"usr/share/oem-{key}/chrony.conf",
    )


def _bin(*names: str) -> tuple[str, ...]:
    return tuple(f"usr/bin/{name}" for name in names)


OEMS = {
    "akamai": Oem(version="0", name="Akamai", home="https://www.linode.com"),
    "ami": Oem(
        version="3.3.2299.0", name="Amazon EC2", home="http://aws.amazon.com/ec2/",
        needs="~app-emulation/amazon-ssm-agent-3.3.2299.0 coreos-base/flatcar-eks",
        paths=(*units("setup-oem.service"), f"{UNIT}/multi-user.target.d/10-oem-ami.conf"),
        wants=("ntpd.service",),
    ),
    "azure": Oem(
        version="2.12.0.4-r2", name="Microsoft Azure", home="https://azure.microsoft.com/",
        needs="~app-emulation/wa-linux-agent-2.12.0.4 app-emulation/hv-daemons dev-python/urllib3"
        " net-misc/chrony sys-fs/inotify-tools",
        paths=_chrony("azure", "chrony-hyperv.conf"), wants=("chronyd.service",),
    ),
    "cloudsigma": Oem(
        version="1.0.0", name="CloudSigma", home="https://www.cloudsigma.com/",
        paths=(_CLOUD_CONFIG,),
    ),
    "cloudstack": Oem(
        version="1.0.0", name="CloudStack", home="https://cloudstack.apache.org/",
        paths=(
            _CLOUD_CONFIG, _ENVIRONMENT,
            *_bin("cloudstack-coreos-cloudinit", "cloudstack-dhcp", "cloudstack-ssh-key"),
        ),
    ),
    "digitalocean": Oem(
        version="0.1.1-r2", name="DigitalOcean", home="https://www.digitalocean.com/"
    ),
    "exoscale": Oem(
        version="1.0.0", name="Exoscale", home="https://www.exoscale.com/",
        paths=(
            _CLOUD_CONFIG, _ENVIRONMENT,
            *_bin("exoscale-coreos-cloudinit", "exoscale-dhcp", "exoscale-ssh-key"),
        ),
    ),
    "gce": Oem(
        version="20260504", name="Google Compute Engine",
        home="https://cloud.google.com/products/compute-engine/",
        needs="app-admin/google-guest-configs app-emulation/google-compute-engine",
        paths=(
            *units("oem-gce.service", "oem-gce-enable-oslogin.service", "setup-oem.service"),
            f"{UNIT}/multi-user.target.d/00gentoo.conf", *_bin("enable-oslogin", "init.sh"),
            "usr/share/gce/google-cloud-sdk.sh", "usr/share/gce/hosts",
        ),
        wants=("ntpd.service",),
    ),
    "hetzner": Oem(version="0", name="Hetzner", home="https://hetzner.com"),
    "hyperv": Oem(
        version="0.2.0", name="Microsoft Hyper-V", needs="app-emulation/hv-daemons",
        home="https://learn.microsoft.com/windows-server/virtualization/hyper-v/",
    ),
    "kubevirt": Oem(version="0", name="KubeVirt", home="https://kubevirt.io/"),
    "nutanix": Oem(version="0.0.1", name="Nutanix", home="https://www.nutanix.com/"),
    "openstack": Oem(version="0", name="OpenStack", home="https://www.openstack.org/"),
    "oraclecloud": Oem(version="0", name="Oracle Cloud", home="https://cloud.oracle.com/"),
    "proxmoxve": Oem(
        version="0", name="Proxmox VE",
        home="https://www.proxmox.com/en/proxmox-virtual-environment/",
    ),
    "qemu": Oem(version="0.0.2", name="QEMU", home="https://www.qemu.org/"),
    "scaleway": Oem(version="0", name="Scaleway", home="https://www.scaleway.com"),
    "stackit": Oem(
        version="0", name="STACKIT", home="https://stackit.com/", needs="net-misc/chrony",
        paths=_chrony("stackit", "00gentoo.conf"), wants=("chronyd.service",),
    ),
    "vagrant": Oem(
        version="1.0.0", name="Vagrant", home="https://developer.hashicorp.com/vagrant",
        paths=(_CLOUD_CONFIG, _ENVIRONMENT),
    ),
    "virtualbox": Oem(
        version="1.0.0", name="Oracle VirtualBox", home="https://www.virtualbox.org/"
    ),
    "vmware": Oem(
        version="13.0.10", name="VMware", home="https://www.vmware.com/",
        needs="~app-emulation/open-vm-tools-13.0.10",
        paths=(
            f"{UNIT}/vmtoolsd.service.d/flatcar-fixups.conf",
            f"{UNIT}/vgauthd.service.d/flatcar-fixups.conf",
            f"{UNIT}/multi-user.target.d/open-vm-tools-sysext-upholds.conf",
        ),
    ),
}  # fmt: skip
OF_ARM64 = frozenset(
    [
        "akamai",
        "ami",
        "azure",
        "hetzner",
        "kubevirt",
        "openstack",
        "oraclecloud",
        "proxmoxve",
        "qemu",
        "scaleway",
        "stackit",
    ]
)


def oem_packages(arch: Arch) -> list[PackageSpec]:
    """Return the packages oem-ID of an architecture, and all that they need."""
    keys = [key for key in OEMS if arch is Arch.AMD64 or key in OF_ARM64]
    return [*_needs(arch), *(_package(key, OEMS[key]) for key in keys)]


def _package(key: str, oem: Oem) -> PackageSpec:
    return package(
        f"coreos-base/oem-{key}-{oem.version}", *oem.paths, needs=oem.needs, home=oem.home,
        links=wanted(*oem.wants), environment=f'declare -- SYSEXT_NAME="{oem.name}"\n',
    )  # fmt: skip


def _needs(arch: Arch) -> list[PackageSpec]:
    daemons = ["hv_kvp_daemon", "hv_vss_daemon"]
    if arch is Arch.AMD64:
        daemons.append("hv_fcopy_uio_daemon")
    services = tuple(f"{daemon}.service" for daemon in daemons)
    agent = "etc/systemd/system"  # where the agent's own installer puts its unit
    return [
        package(
            "app-emulation/amazon-ssm-agent-3.3.2299.0-r1", "usr/bin/amazon-ssm-agent", DEBUG,
            "usr/share/amazon/ssm/seelog.xml.template", *units("amazon-ssm-agent.service"),
        ),
        package(
            "coreos-base/flatcar-eks-0.0.1-r4", "usr/share/amazon/eks/bootstrap.sh",
            "usr/share/amazon/eks/kubelet.service",
        ),
        package(
            "app-emulation/wa-linux-agent-2.12.0.4-r2", "usr/bin/waagent",
            "usr/share/waagent/waagent.conf", f"{agent}/waagent.service",
            f"{agent}/multi-user.target.d/10-waagent-sysext.conf", DEBUG,
            f"{PYTHON}/site-packages/azurelinuxagent/agent.py",
            f"{PYTHON}/site-packages/azurelinuxagent/tests/x.py", needs="dev-lang/python",
        ),
        package(
            "app-emulation/hv-daemons-6.12.103", *(f"usr/bin/{one}" for one in daemons),
            *units(*services), links=wanted(*services),
        ),
        package(
            "dev-python/urllib3-2.7.0", f"{PYTHON}/site-packages/urllib3/__init__.py",
            needs="dev-lang/python",
        ),
        package("net-misc/chrony-4.8", "usr/bin/chronyd", *units("chronyd.service"),
                "usr/lib/systemd/ntp-units.d/50-chrony.list", "etc/chrony/chrony.conf"),
        package(
            "sys-fs/inotify-tools-4.25.9.0", "usr/bin/inotifywait", "usr/include/inotifytools/x.h"
        ),
        package(
            "app-admin/google-guest-configs-20260504",
            "usr/lib/sysctl.d/60-gce-network-security.conf",
            "usr/lib/udev/rules.d/65-gce-disk-naming.rules",
            "usr/lib/udev/rules.d/75-gce-network.rules",
            "usr/bin/google_set_multiqueue", "usr/lib/dracut/modules.d/30gcp-udev-rules/x.sh",
            functions={
                "cros_post_pkg_preinst_rm_from_board_sysroot":
                    'if [[ $(flatcar_target) = board ]]; then rm -r "${ED}"/usr/lib/sysctl.d; fi',
            },
        ),
        package(
            "app-emulation/google-compute-engine-20190124-r4",
            "usr/bin/google_metadata_script_runner",
            f"{PYTHON}/site-packages/google_compute_engine/tests/x.py", needs="dev-lang/python",
        ),
        package(
            "app-emulation/open-vm-tools-13.0.10", "usr/bin/vmtoolsd",
            *units("vmtoolsd.service", "vgauthd.service"), "etc/vmware-tools/tools.conf",
            "etc/vmware-tools/scripts/vmware/network", "usr/include/vmGuestLib/x.h", DEBUG,
            "usr/share/open-vm-tools/messages/de/toolboxcmd.vmsg",
            "usr/lib/udev/rules.d/99-vmware-scsi-udev.rules",
            "usr/lib64/pkgconfig/vmguestlib.pc",
            needs="dev-libs/libdnet dev-libs/xmlsec sys-fs/fuse-common",
        ),
        package("dev-libs/libdnet-1.18", "usr/bin/dnet-config", "usr/lib64/libdnet.so.1"),
        package(
            "dev-libs/xmlsec-1.3.9", "usr/bin/xmlsec1-config", "usr/lib64/xmlsec1Conf.sh",
            "usr/lib64/libxmlsec1.so.1", "usr/share/aclocal/xmlsec1.m4", needs="dev-libs/libxslt",
        ),
        package(
            "dev-libs/libxslt-1.1.45", "usr/bin/xslt-config", "usr/lib64/xsltConf.sh",
            "usr/lib64/cmake/libxslt/x.cmake", "usr/lib64/libxslt.so.1",
        ),
    ]  # fmt: skip
