"""cloud-init documents: checked, rendered from templates, and completed with what vmstack needs in the guest."""
