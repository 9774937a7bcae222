"""Executing: one effect of a plan on one host. What to do was decided before; here it is only done.

Every effect is idempotent or checkable: after an unknown result (the connection broke, the process was killed) the
same effect may be executed again.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, assert_never

from vmstack.hosts.attempts import Patience
from vmstack.hosts.driver import Driver
from vmstack.hosts.execute_device import DeviceEffects
from vmstack.hosts.execute_domain import DomainEffects
from vmstack.hosts.execute_network import NetworkEffects
from vmstack.hosts.execute_storage import StorageEffects
from vmstack.hosts.health import Workplace
from vmstack.model import effects
from vmstack.model.base import Data
from vmstack.model.effects import AnyEffect
from vmstack.model.hooks import Hook
from vmstack.model.readiness import GuestReport
from vmstack.xmlio.volume import read_modified

Report = Callable[[str, int, int], None]


class Supply(Protocol):
    """What effects carry to a host besides themselves."""

    def open_image(self, name: str) -> tuple[Iterable[bytes | int], int]:
        """The verified file of the image: data chunks and lengths of holes, and the total length in bytes."""

    def seed(self, digest: str) -> bytes:
        """The seed's ISO."""

    def password(self, name: str) -> str:
        """The password of that name."""

    def run_hook(self, hook: Hook) -> tuple[str, ...]:
        """Run a function of the program; returns notes. Raises `ProgramError` when it fails."""


class EffectResult(Data, frozen=True, kw_only=True):
    """What apply learns from an effect. `built`: a pool's directory was made; `notes` are sentences for people.
    `modified` is when an uploaded seed was written, by the host's clock."""

    built: bool = False
    guest: GuestReport | None = None
    notes: tuple[str, ...] = ()
    modified: str | None = None


def execute(
    effect: AnyEffect,
    driver: Driver,
    *,
    supply: Supply,
    report: Report,
    patience: Patience | None = None,
    workplace: Workplace | None = None,
) -> EffectResult:
    """Do one effect. `report` is told (what, done, total) of long transfers, in bytes; commands run in `workplace`.

    Raises what the driver raises, `GuestError` for a guest that does not do its part, and `HostError` where the host
    is not as the effect needs it.
    """
    patience = patience or Patience()
    storage = StorageEffects(driver, patience=patience, report=report)
    network = NetworkEffects(driver, patience=patience)
    domain = DomainEffects(driver, patience=patience)
    device = DeviceEffects(driver, patience=patience)
    match effect:
        case effects.DefinePool():
            patience.insist(lambda: driver.define_pool(effect.xml))
        case effects.RebuildPool():
            storage.rebuild_pool(effect)
        case effects.StartPool():
            return EffectResult(built=storage.start_pool(effect))
        case effects.SetPoolAutostart():
            driver.set_pool_autostart(effect.pool, enabled=effect.enabled)
        case effects.RemovePool():
            return EffectResult(notes=storage.remove_pool(effect))
        case effects.CreateVolume():
            storage.create_volume(effect)
        case effects.CopyVolume():
            storage.copy_volume(effect)
        case effects.UploadImage():
            chunks, length = supply.open_image(effect.image)
            storage.upload(effect.pool, effect.volume, chunks=chunks, length=length)
        case effects.UploadSeed():
            content = supply.seed(effect.digest)
            storage.upload(effect.pool, effect.volume, chunks=(content,), length=len(content))
            return EffectResult(modified=read_modified(driver.volume(effect.pool, effect.volume).xml))
        case effects.ResizeVolume():
            storage.resize_volume(effect)
        case effects.DeleteVolume():
            storage.delete_volume(effect)
        case effects.DefineNetwork():
            driver.define_network(effect.xml)
        case effects.StartNetwork():
            network.start(effect.uuid)
        case effects.SetNetworkAutostart():
            driver.set_network_autostart(effect.uuid, enabled=effect.enabled)
        case effects.UpdateNetwork():
            network.update(effect)
        case effects.StopNetwork():
            network.stop(effect.uuid)
        case effects.UndefineNetwork():
            network.undefine(effect.uuid)
        case effects.StampNetwork():
            network.stamp(effect)
        case effects.DefineChecked():
            patience.insist(lambda: driver.define_domain(effect.xml, validate=True))
        case effects.DefineDomain():
            patience.insist(lambda: driver.define_domain(effect.xml))
        case effects.RenameDomain():
            patience.insist(lambda: driver.rename_domain(effect.uuid, name=effect.new_name))
        case effects.StartDomain():
            domain.start(effect.uuid)
        case effects.ResumeDomain():
            domain.resume(effect.uuid)
        case effects.ShutdownDomain():
            domain.shut_down(effect)
        case effects.PowerOffDomain():
            domain.power_off(effect.uuid)
        case effects.SetDomainAutostart():
            driver.set_domain_autostart(effect.uuid, enabled=effect.enabled)
        case effects.SetVcpus():
            patience.insist(lambda: driver.set_vcpus(effect.uuid, effect.vcpus, live=effect.live, config=True))
        case effects.SetMemory():
            return EffectResult(notes=domain.set_memory(effect))
        case effects.SetDescription():
            patience.insist(lambda: driver.set_description(effect.uuid, effect.description, live=effect.live))
        case effects.SetTitle():
            patience.insist(lambda: driver.set_title(effect.uuid, effect.title, live=effect.live))
        case effects.TuneDomain():
            patience.insist(lambda: driver.tune_domain(effect.uuid, effect.values, live=effect.live, config=True))
        case effects.PinVcpu():
            patience.insist(
                lambda: driver.pin_vcpu(effect.uuid, effect.vcpu, cpus=effect.cpus, live=effect.live, config=True)
            )
        case effects.AttachDevice():
            device.attach(effect)
        case effects.DetachDevice():
            device.detach(effect)
        case effects.UpdateDevice():
            device.update(effect)
        case effects.SetIoTune():
            device.set_io_tune(effect)
        case effects.SetIoThreads():
            device.set_io_threads(effect)
        case effects.SetPassword():
            password = None if effect.password is None else supply.password(effect.password)
            device.set_password(effect, password=password)
        case effects.PlugNics():
            device.plug(effect)
        case effects.ResizeDisk():
            patience.insist(lambda: driver.resize_disk(effect.uuid, effect.disk, capacity=effect.capacity))
        case effects.StampDomain():
            domain.stamp(effect)
        case effects.UndefineDomain():
            domain.undefine(effect)
        case effects.AwaitReady():
            guest, notes = domain.await_ready(effect)
            return EffectResult(guest=guest, notes=notes)
        case effects.AwaitLease():
            domain.await_lease(effect)
        case effects.AwaitHealthy():
            domain.await_healthy(effect, workplace=workplace or Workplace.here())
        case effects.RunHook():
            return EffectResult(notes=supply.run_hook(effect.hook))
        case _ as unreachable:
            assert_never(unreachable)
    return EffectResult()
