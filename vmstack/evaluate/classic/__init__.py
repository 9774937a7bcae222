"""The frozen schema of `pulumi_libvirt` 0.5.4, and what its resources are in vmstack's own vocabulary."""
