"""Plans as people read them."""

import io

from vmstack.cli.changes import NO_CHANGES, render_diagnostics, render_outputs, render_plan
from vmstack.cli.terminal import Terminal, escape
from vmstack.cli.values import show_duration, show_value
from vmstack.errors import Place
from vmstack.model.graph import Output
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.ownership import LedgerEntry, StoredOutput
from vmstack.model.plan import Change, Diagnostic, Disruption, FieldChange, Intent, Operation, Plan

STACK = StackId("shop", "prod")


def terminal(*, colour: bool = False) -> Terminal:
    return Terminal(out=io.StringIO(), err=io.StringIO(), colour=colour, colour_err=colour, interactive=False)


def text(plan: Plan) -> str:
    return "\n".join(render_plan(plan, terminal()))


def vm(name: str) -> Key:
    return Key(Kind.VM, name)


def test_an_empty_plan_says_what_scripts_look_for():
    assert text(Plan(stack=STACK)) == NO_CHANGES == "No changes. Your infrastructure matches the program."


def test_a_plan_that_only_settles_ledgers_says_so():
    entries = tuple(LedgerEntry(name=name, role="volume", pool="web", label=name) for name in "abc")
    settling = Plan(stack=STACK, intents=(Intent(host="kvm1", entries=entries[:1], forget=entries[1:]),))
    assert text(settling) == "No resource changes; 3 entries of an interrupted run are settled."
    releasing = Plan(stack=STACK, releases=("kvm1",))
    assert text(releasing) == "No resource of the stack is left on kvm1; its ledger there is removed."


def test_a_plan_shows_symbols_fields_classes_reasons_and_the_summary():
    plan = Plan(
        stack=STACK,
        changes=(
            Change(
                key=vm("a"),
                host="kvm1",
                operation=Operation.CREATE,
                fields=(FieldChange(path="vcpus", before=None, after=2, disruption=Disruption.NONE),),
            ),
            Change(
                key=vm("b"),
                host="kvm1",
                operation=Operation.UPDATE,
                disruption=Disruption.RESTART,
                reasons=("the memory grows past its maximum",),
                fields=(
                    FieldChange(path="memory", before=2**29, after=2**30, disruption=Disruption.RESTART),
                    FieldChange(path="description", before="x", after=None, disruption=Disruption.LIVE, note="note"),
                ),
            ),
            Change(key=vm("c"), host="kvm1", operation=Operation.REPLACE, disruption=Disruption.REPLACE),
            Change(
                key=Key(Kind.VOLUME, "d"),
                host="kvm1",
                operation=Operation.DELETE,
                disruption=Disruption.DATA_LOSS,
                fields=(FieldChange(path="capacity", before=2**30, after=None, disruption=Disruption.DATA_LOSS),),
            ),
        ),
    )
    assert text(plan) == (
        "vmstack will perform the following actions. They are indicated with these symbols:\n"
        "  + create\n"
        "  ~ update in-place\n"
        "-/+ destroy and then create replacement\n"
        "  - destroy\n"
        "\n"
        "  # vm.a will be created\n"
        '  + vm "a" on kvm1\n'
        "      + vcpus: 2\n"
        "\n"
        "  # vm.b will be updated in-place (restarts the guest)\n"
        "  # the memory grows past its maximum\n"
        '  ~ vm "b" on kvm1\n'
        "      ~ memory: 512 MiB -> 1 GiB   (restarts the guest)\n"
        '      - description: "x" -> (none)   (live)   # note\n'
        "\n"
        "  # vm.c must be replaced (replaces it, data kept)\n"
        '-/+ vm "c" on kvm1\n'
        "\n"
        "  # volume.d will be destroyed (DATA LOSS)\n"
        '  - volume "d" on kvm1\n'
        "      - capacity: 1 GiB\n"
        "\n"
        "Guests that restart: vm.b\n"
        "Replaced with their data kept: vm.c\n"
        "DATA WILL BE LOST in: volume.d\n"
        "Plan: 2 to add, 1 to change, 2 to destroy."
    )


def test_only_machines_are_guests_that_restart_or_stop():
    def change(key: Key, disruption: Disruption) -> Change:
        return Change(key=key, host="kvm1", operation=Operation.REPLACE, disruption=disruption)

    lan = Key(Kind.NETWORK, "lan")
    shown = text(Plan(stack=STACK, changes=(change(lan, Disruption.RESTART), change(vm("a"), Disruption.RESTART))))
    assert "Guests that restart: vm.a\n" in shown
    assert "Guests that" not in text(Plan(stack=STACK, changes=(change(lan, Disruption.RESTART),)))


def test_a_huge_plan_gives_creations_a_line_each_and_updates_their_fields():
    creations = tuple(
        Change(
            key=vm(f"a{number}"),
            host="h",
            operation=Operation.CREATE,
            fields=(FieldChange(path="vcpus", before=None, after=2, disruption=Disruption.NONE),),
        )
        for number in range(100)
    )
    update = Change(
        key=vm("z"),
        host="h",
        operation=Operation.UPDATE,
        disruption=Disruption.LIVE,
        fields=(FieldChange(path="vcpus", before=1, after=2, disruption=Disruption.LIVE),),
    )
    lines = text(Plan(stack=STACK, changes=(*creations, update))).splitlines()
    assert "  + vm.a99" in lines
    assert "      + vcpus: 2" not in lines
    assert "      ~ vcpus: 1 -> 2   (live)" in lines
    assert lines[-1] == "Plan: 100 to add, 1 to change, 0 to destroy."


def test_changed_outputs_alone_are_a_plan():
    plan = Plan(
        stack=STACK,
        stored_outputs_differ=True,
        outputs={"ip": Output(value="10.0.0.1"), "pw": Output(value="hunter2", secret=True)},
    )
    shown = text(plan)
    assert '      + ip = "10.0.0.1"' in shown
    assert "      + pw = (sensitive value)" in shown
    assert "hunter2" not in shown
    assert shown.endswith("Plan: 0 to add, 0 to change, 0 to destroy.")


def test_outputs_that_go_or_change_are_shown_and_those_that_stay_are_not():
    plan = Plan(
        stack=STACK,
        stored_outputs_differ=True,
        outputs={"ip": Output(value="10.0.0.2"), "same": Output(value=1), "pw": Output(value="hunter2", secret=True)},
        outputs_before={
            "ip": StoredOutput(value="10.0.0.1"),
            "net": StoredOutput(value="lan"),
            "pw": StoredOutput(value="hunter1"),
            "same": StoredOutput(value=1),
        },
    )
    assert text(plan) == (
        "Changes to outputs:\n"
        '      ~ ip = "10.0.0.1" -> "10.0.0.2"\n'
        '      - net = "lan"\n'
        "      ~ pw = (sensitive value) -> (sensitive value)\n"
        "\n"
        "Plan: 0 to add, 0 to change, 0 to destroy."
    )


def test_outputs_that_only_one_host_lacks_are_stored_again():
    plan = Plan(
        stack=STACK,
        stored_outputs_differ=True,
        outputs={"ip": Output(value="10.0.0.1")},
        outputs_before={"ip": StoredOutput(value="10.0.0.1")},
    )
    assert text(plan).startswith("The outputs do not change, and are stored again")


def test_secret_outputs_are_shown_only_when_asked_for():
    outputs = {"pw": Output(value="hunter2", secret=True)}
    assert list(render_outputs(outputs, terminal())) == ["pw = (sensitive value)"]
    assert list(render_outputs(outputs, terminal(), show_secrets=True)) == ['pw = "hunter2"']


def test_what_hosts_and_programs_say_cannot_command_the_terminal():
    evil = "\x1b]0;owned\x07\x1b[2J[bold]\u202egnp.exe\r\n"
    change = Change(
        key=vm("a"),
        host=evil,
        operation=Operation.UPDATE,
        reasons=(evil,),
        fields=(FieldChange(path=evil, before=evil, after={evil: evil}, disruption=Disruption.LIVE, note=evil),),
    )
    plan = Plan(stack=STACK, changes=(change,), stored_outputs_differ=True, outputs={evil: Output(value=evil)})
    warning = Diagnostic(severity="warning", text=evil, key=Key(Kind.VM, evil), place=Place(evil, 3))
    shown = [*render_plan(plan, terminal()), *render_diagnostics([warning], terminal())]
    for line in shown:
        assert line.isprintable(), line
        assert "\u202e" not in line
    assert "[bold]" in "".join(shown)


def test_colours_are_only_there_when_wanted():
    plan = Plan(stack=STACK, changes=(Change(key=vm("a"), host="h", operation=Operation.CREATE),))
    assert "\x1b[32m" in "".join(render_plan(plan, terminal(colour=True)))
    assert "\x1b" not in text(plan)


def test_values_read_well():
    cases = [
        (2 * 2**30, "memory", "2 GiB"),
        (1048576, "domain.memory_kib", "1 GiB"),
        (2, "vcpus", "2"),
        (True, "autostart", "true"),
        (None, "x", "(none)"),
        ("(sensitive value)", "x", "(sensitive value)"),
        ("é", "x", '"é"'),
        (["a", 1], "x", '["a", 1]'),
        ("x" * 500, "x", '"' + "x" * 198 + "…"),
    ]
    assert [show_value(value, path=path) for value, path, _ in cases] == [wanted for _, _, wanted in cases]
    assert [show_duration(seconds) for seconds in (0.4, 59, 61, 3725)] == ["0s", "59s", "1m01s", "1h02m"]


def test_escaping_leaves_ordinary_text_alone():
    assert escape("Grüße 日本") == "Grüße 日本"
    assert escape("a\tb\x9b\ud800") == "a\\tb\\x9b\\ud800"
