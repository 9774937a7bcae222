"""Secrets of usage type `volume`."""

from tests.fake.machine import Secret
from tests.fake.wire import Wire, mutates, reads
from vmstack.errors import ExistsError, NotFoundError
from vmstack.hosts.driver import SecretRecord


class SecretCalls(Wire):
    """The secret methods of the driver. libvirt refuses a second secret for one usage, and that is the lock."""

    @reads
    def secrets(self, *, usage_prefix: str) -> list[SecretRecord]:
        return [
            SecretRecord(uuid=secret.uuid, usage=secret.usage, description=secret.description)
            for secret in self.machine.secrets.values()
            if secret.usage.startswith(usage_prefix)
        ]

    @mutates
    def define_secret(self, *, uuid: str, usage: str, description: str) -> None:
        for other in self.machine.secrets.values():
            if (other.uuid == uuid) != (other.usage == usage):
                raise ExistsError(f"a secret with UUID {other.uuid} is already defined for use with {other.usage}")
        self.machine.secrets[uuid] = Secret(uuid, usage, description)

    @mutates
    def undefine_secret(self, uuid: str) -> None:
        if self.machine.secrets.pop(uuid, None) is None:
            raise NotFoundError(f"Secret not found: no secret with matching uuid {uuid!r}")
