# Rules over a plan's JSON, for conftest: vmstack show plan.vmp --json | conftest test --policy docs/policies -
package main

import rego.v1

limit := 64 * 1024 * 1024 * 1024

# No volume goes, unless it is a base image or a root disk, which can be made again.
deny contains message if {
	some change in input.resource_changes
	change.type == "libvirt_volume"
	"delete" in change.change.actions
	change.change.before.data
	message := sprintf("%s: a volume with data would be deleted", [change.address])
}

# Nothing that loses data, whatever it is.
deny contains message if {
	some change in input.resource_changes
	change.vmstack.disruption == "data-loss"
	message := sprintf("%s: data would be lost", [change.address])
}

# No machine beyond what was agreed.
deny contains message if {
	some change in input.resource_changes
	change.type == "libvirt_domain"
	change.change.after.memory > limit
	message := sprintf("%s: more than 64 GiB of memory", [change.address])
}

# Displays are for the host itself.
deny contains message if {
	some change in input.resource_changes
	change.type == "libvirt_domain"
	change.change.after.graphics.listen == "0.0.0.0"
	message := sprintf("%s: its display listens to the whole world", [change.address])
}

# Restarts are worth a look.
warn contains message if {
	some change in input.resource_changes
	change.vmstack.disruption in {"restart", "stop"}
	message := sprintf("%s: the guest would be restarted or stopped", [change.address])
}
