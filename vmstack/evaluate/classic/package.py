"""The package `libvirt` as the engine knows it: takes registrations, answers with ids and outputs, ends in entries."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmstack.errors import InputError, Place
from vmstack.evaluate.classic import domains, ignition, networks, storage
from vmstack.evaluate.classic.address import URI_VARIABLE, find_default_uri
from vmstack.evaluate.classic.functions import ask_host, compute, is_computed
from vmstack.evaluate.classic.inputs import placed, read_inputs
from vmstack.evaluate.classic.lookups import look_up
from vmstack.evaluate.classic.options import refuse_replacing
from vmstack.evaluate.classic.scene import Provider, Scene
from vmstack.evaluate.classic.schema import PROVIDER
from vmstack.evaluate.classic.translation import Translation
from vmstack.evaluate.config.limits import DIGESTS
from vmstack.evaluate.engine.inputs import PLACEHOLDER, NotKnownError
from vmstack.evaluate.engine.registration import Answer, Registration
from vmstack.evaluate.engine.values import Secret, reveal
from vmstack.evaluate.recorder import Entry, Recorder
from vmstack.model.facts import Gap
from vmstack.model.graph import Output
from vmstack.model.identity import Key, Kind, derive_uuid
from vmstack.model.specs import HostSpec
from vmstack.model.text import check_name

_DECLARE: Final = {
    "libvirt:index/ignition:Ignition": ignition.declare_ignition,
    "libvirt:index/combustion:Combustion": ignition.declare_combustion,
    "libvirt:index/pool:Pool": storage.declare_pool,
    "libvirt:index/volume:Volume": storage.declare_volume,
    "libvirt:index/cloudInitDisk:CloudInitDisk": storage.declare_cloud_init_disk,
    "libvirt:index/network:Network": networks.declare_network,
    "libvirt:index/domain:Domain": domains.declare_domain,
}
_KINDS: Final = {
    "Pool": Kind.POOL, "Volume": Kind.VOLUME, "Network": Kind.NETWORK, "Domain": Kind.VM, "CloudInitDisk": Kind.SEED,
    "Ignition": Kind.SEED, "Combustion": Kind.SEED,
}  # fmt: skip

# What is never made anew because a program asks for it.
_NEVER_ANEW: Final = {
    Kind.POOL: "a pool is never made anew, since all volumes in it would have to be",
    Kind.SEED: "what holds it is made anew whenever it changes, and only then",
}
_SECRETS: Final = ("userData", "metaData", "networkConfig", "content")


class Classic:
    """Collects the `pulumi_libvirt` resources of one evaluation (`engine.registration.Package`)."""

    def __init__(self, recorder: Recorder, *, config: Mapping[str, str]) -> None:
        self._config = config
        self._scene = Scene(recorder)

    def configure(self, registration: Registration) -> Answer:
        with placed(registration):
            refuse_replacing(registration, why="nothing of a provider is on its host")
            check_name(registration.name, field="the name")
            try:
                values = read_inputs(registration, PROVIDER)
            except NotKnownError as error:
                return self._defer(registration, error.path)
            uri = values.get("uri") or find_default_uri({})  # the stack's configuration is the default provider's
            if not uri:
                raise InputError("uri: it is missing", resolution=f"give it, or set {URI_VARIABLE}")
            self._scene.recorder.uris.add(uri)
            self._scene.providers[registration.urn] = Provider(registration=registration, uri=uri)
        return Answer(id=derive_uuid(self._scene.stack, Key(Kind.HOST, registration.name)), outputs={"uri": uri})

    def register(self, registration: Registration) -> Answer:
        declare = _DECLARE.get(registration.type)
        with placed(registration):
            if declare is None:
                raise InputError(f"resources of the type {registration.type} are not supported")
            check_name(registration.name, field="the name")
            kind = _KINDS.get(registration.type.rpartition(":")[2])
            if registration.import_id and kind is Kind.SEED:
                raise InputError(
                    "the option import_ is not supported: no id says what is on such a disk",
                    resolution="leave it out: the disk is made anew, and changes no guest before its next start",
                )
            if registration.hooks and kind is Kind.SEED:
                raise InputError(
                    f"the hook {registration.hooks[0][1]!r} is not supported: every domain has a disk of its own of it",
                    resolution="bind it to the domains",
                )
            why = _NEVER_ANEW.get(kind) if kind is not None else None
            if why is not None:
                refuse_replacing(registration, why=why)
            if not reveal(registration.replacement_trigger)[2]:
                return self._defer(registration, "replacement_trigger")
            waited = filter(self._scene.waits, (registration.provider, *registration.dependencies))
            for urn in waited:
                return self._defer(registration, f"it waits for {urn.rpartition('::')[2].rpartition('/')[2]!r}")
            try:
                declared, outputs = declare(registration, uri=self._uri(registration), scene=self._scene)
            except NotKnownError as error:
                return self._defer(registration, error.path)
            self._scene.add(declared)
            # Secrets, though the SDK does not say so: what they export must not end up in the clear.
            for name in _SECRETS if declared.key.kind is Kind.SEED else ():
                if name in registration.inputs:
                    outputs[name] = Secret(reveal(registration.inputs[name])[0])
        return Answer(id=declared.id, outputs=outputs)

    def read(self, registration: Registration, *, id: str) -> Answer:
        with placed(registration):
            if registration.provider in self._scene.deferred:
                raise NotKnownError("the uri of its provider")
            return look_up(registration, id=id, uri=self._uri(registration), scene=self._scene)

    def invoke(
        self, token: str, arguments: Mapping[str, Any], *, provider: str, place: Place | None
    ) -> Mapping[str, Any] | None:
        try:
            if is_computed(token):
                return compute(token, arguments)
            if provider in self._scene.deferred:
                return None
            return ask_host(token, arguments, uri=self._find_uri(provider), recorder=self._scene.recorder, place=place)
        except InputError as error:
            error.place = error.place or place
            raise

    @property
    def deferred(self) -> Mapping[str, Key | None]:
        """The resources by URN that wait for more to be known."""
        return self._scene.deferred

    def entries(self) -> Iterator[tuple[Entry, str]]:
        """Yield what was declared as entries of the graph, each with the URN it belongs to (empty for none).

        The order does not depend on the order of registration.
        """
        default = self._config.get("libvirt:uri")
        digests = self._config.get(DIGESTS)
        yield from Translation(self._scene, default_uri=default, digests=digests).entries()

    def settle_outputs(self, outputs: Mapping[str, Output]) -> dict[str, Output]:
        """Replace the ids of volumes that were not known when the program ran by what is known of them now."""
        return {name: self._settle(output) for name, output in outputs.items()}

    def _settle(self, output: Output) -> Output:
        value = self._known(output.value)
        if PLACEHOLDER in repr(value):
            return Output(value=None, secret=output.secret, known=False)
        return Output(value=value, secret=output.secret, known=output.known)

    def _known(self, value: Any) -> Any:
        if isinstance(value, str) and PLACEHOLDER in value:
            for declared in self._scene.volumes():
                path = self._scene.volume_path(declared)
                if path is not None and PLACEHOLDER in declared.id:
                    value = value.replace(declared.id, path)
            return value
        if isinstance(value, list):
            return [self._known(item) for item in value]
        return {name: self._known(item) for name, item in value.items()} if isinstance(value, dict) else value

    def _defer(self, registration: Registration, what: str) -> Answer:
        """Leave a resource for later: what it is, and even whether it is wanted as it is, is not known yet."""
        kind = _KINDS.get(registration.type.rpartition(":")[2])
        key = None if kind is None else Key(kind, registration.name)
        self._scene.deferred[registration.urn] = key
        gap = Gap(what=f"{registration.title}: {what}", hides=True, place=registration.place, key=key)
        self._scene.recorder.leave_gap(gap)
        return Answer(id="", outputs={}, whole=False)

    def _uri(self, registration: Registration) -> str:
        return self._find_uri(registration.provider)

    def _find_uri(self, provider_urn: str) -> str:
        if provider_urn:
            provider = self._scene.providers.get(provider_urn)
            if provider is not None:
                return self._used(provider.uri)
        uri = find_default_uri(self._config)
        if not uri:
            raise InputError(
                "its provider has no URI",
                resolution=f"set libvirt:uri in the stack's configuration, or {URI_VARIABLE}, or pass a provider",
            )
        return self._used(uri)

    def _used(self, uri: str) -> str:
        self._scene.recorder.notice_host(HostSpec(name=uri, uri=uri))
        return uri
