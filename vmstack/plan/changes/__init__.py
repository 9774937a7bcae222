"""The change table: what a change of each field does, by the state of the VM. One module of rows per noun."""
