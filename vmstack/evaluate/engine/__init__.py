"""Pulumi in-process: everything here may import the Pulumi SDK, but only once a stack program has done so."""
