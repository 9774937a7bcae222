"""Configuration as Pulumi keeps it: `Pulumi.yaml`, `Pulumi.<stack>.yaml` and the values in them."""
