"""What a program makes of a VM, whatever must be done for it: the definition and the stamp that it is to have."""

from collections.abc import Mapping
from dataclasses import dataclass

from vmstack.errors import DocumentError
from vmstack.model.configs import DiskConfig, DomainConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.specs import DiskSpec, VmSpec
from vmstack.plan.adopted import adopted_of, as_found, own_fields
from vmstack.plan.applied import AppliedDomain, write_applied
from vmstack.plan.context import Context
from vmstack.plan.design import design_disk, design_domain
from vmstack.plan.digest import digest_of
from vmstack.plan.domain_diff import written_fields
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.networks import NetworkDecision
from vmstack.plan.passwords import mark_in, mark_of
from vmstack.plan.seed_plan import SeedDecision
from vmstack.plan.styling import Styled, kept_word, style
from vmstack.plan.volume_fate import VolumeFate


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was decided on the things that VMs are made of."""

    volumes: Mapping[str, VolumeFate]
    seeds: Mapping[str, SeedDecision]
    ignitions: Mapping[str, SeedDecision]
    networks: Mapping[str, NetworkDecision]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a VM is to be: its definition before (`design`) and after its stylesheet (`styled`), and its stamp.

    `ignored` are the fields that the program leaves to others, `seed` what was decided on its seed.
    """

    design: DomainConfig
    styled: Styled
    stamp: Stamp
    ignored: frozenset[str]
    seed: SeedDecision | None

    @property
    def instance(self) -> str | None:
        """The instance that its seed makes the guest, which reports under that name."""
        return self.seed.instance if self.seed is not None else None


def wish_for(spec: VmSpec, found: ObservedDomain | None, *, around: Surroundings, context: Context) -> Wish | None:
    """What the program makes of a VM of which `found` is there; nothing, and an error in the draft, where it cannot."""
    key = Key(Kind.VM, spec.name)
    options = context.catalog.options(Kind.VM, spec.name)
    ignored = ignored_fields(options.ignore_changes)
    design = _design(spec, found, around=around, context=context)
    try:
        styled = style(design, stylesheet=spec.hardware.stylesheet, path=context.stack.path(key), found=found)
    except DocumentError as error:
        error.place = context.catalog.place(Kind.VM, spec.name)
        context.draft.errors.append(error)
        return None
    word, mark = styled.word, mark_of(spec)
    if found is not None and is_ignored("stylesheet", ignored=ignored):
        styled, word = styled._replace(word=None, differences=()), kept_word(found)
    if found is not None and is_ignored("graphics", ignored=ignored):
        mark = mark_in(found.stamp)
    adopted, seed = adopted_of(found), around.seeds.get(spec.name)
    fields = written_fields(styled.config, arch=spec.hardware.arch is not None)
    if adopted is not None:
        fields = own_fields(fields, spec=spec)
    stamp = Stamp(
        path=context.stack.path(key),
        digest=digest_of(styled.config),
        fields=tuple(sorted((*fields, *(item for item in (word, mark) if item is not None)))),
        generation=seed.generation if seed else _generation(found),
        protect=options.protect is True,
        retain=options.retain,
        trigger=options.replacement_trigger,
        ready="pending" if spec.reports else "none",
        adopted=adopted,
        applied=write_applied(
            AppliedDomain(
                config=styled.config,
                made=None if styled.made == styled.config else styled.made,
                autostart=spec.autostart,
                power=spec.power,
            )
        ),
    )
    return Wish(design=design, styled=styled, stamp=stamp, ignored=ignored, seed=seed)


def _design(spec: VmSpec, found: ObservedDomain | None, *, around: Surroundings, context: Context) -> DomainConfig:
    """The definition that the program asks for; of an adopted domain, as it was found where the program is silent."""
    seed, ignition = around.seeds.get(spec.name), around.ignitions.get(spec.name)
    written = frozenset(found.stamp.fields if found is not None and found.stamp is not None else ())

    def disk_config(disk: DiskSpec) -> DiskConfig:
        volume = around.volumes[disk.volume].config
        return design_disk(
            disk,
            path=volume.path or "",
            format=volume.format or "raw",
            block=context.is_logical(context.catalog.volumes[disk.volume].pool),
            backing_path=volume.backing_path,
            backing_format=volume.backing_format,
        )

    def network_label(network: str) -> str:
        return context.catalog.networks[network].label

    design = design_domain(
        spec,
        facts=context.indexes[spec.host].facts,
        disks=disk_config,
        seed_path=seed.path if seed else None,
        ignition_path=ignition.path if ignition else None,
        network_label=network_label,
        observed=found.config if found else None,
        live=found.live if found else None,
        written=written,
    )
    adopted = adopted_of(found)
    if found is None or adopted is None:
        return design
    return as_found(design, spec=spec, observed=found.config, adopted=adopted, written=written)


def _generation(found: ObservedDomain | None) -> int:
    return found.stamp.generation if found is not None and found.stamp is not None else 1
