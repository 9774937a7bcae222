"""What must hold of the hosts before anything is decided on them, lest a plan takes lost knowledge for lost objects."""

from vmstack.errors import ConflictError, RefusedError
from vmstack.plan.context import Context
from vmstack.plan.index import HostIndex, is_ready


def check_premises(context: Context) -> None:
    """Report a lost ledger, and pools whose directory is empty because its file system is not mounted."""
    for index in context.indexes.values():
        _check_ledger(index, context=context)
        if not context.policy.allow_data_loss:
            _check_mounted(index, context=context)


def _check_ledger(index: HostIndex, *, context: Context) -> None:
    """Every disk that a stamp names is on a volume that the ledger lists: without a ledger, it was lost."""
    if index.has_ledger:
        return
    disks = [
        f"vm.{name}: {disk.path}"
        for name, domain in sorted(index.own_domains.items())
        for disk in domain.config.disks
        if domain.stamp is not None and f"disks[{disk.serial}]" in domain.stamp.fields
    ]
    if disks:
        context.draft.errors.append(
            ConflictError(
                f"the ledger of stack {context.stack} is missing on host {index.host}, and machines of it are there: "
                "nothing tells any more which volumes are its own",
                details=disks,
                resolution=f"restore the libvirt secret with the usage 'vmstack:{context.stack}' from a backup of "
                "/etc/libvirt/secrets; until then vmstack leaves these machines and their disks as they are",
            )
        )


def _check_mounted(index: HostIndex, *, context: Context) -> None:
    for pool in sorted(index.pools):
        ready = [entry for entry in index.entries.values() if entry.pool == pool and entry.label and is_ready(entry)]
        # Of one volume it is for the gates to say whether it may be made anew.
        alone = len(ready) < 2 or all(entry.role != "volume" for entry in ready)
        if alone or not index.readable(pool) or any(entry.slot in index.volumes for entry in ready):
            continue
        if any(index.is_displaced(entry) for entry in ready):
            continue
        context.draft.errors.append(
            RefusedError(
                f"all volumes that this stack has in pool {pool!r} on host {index.host} are missing at once",
                details=sorted(entry.path or entry.label for entry in ready),
                resolution="mount the file system that holds them and refresh the pool "
                f"(virsh pool-refresh {pool}); if they are lost, go on with --allow-data-loss",
            )
        )
