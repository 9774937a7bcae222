"""The smallest guest that shuts down in order: one boot sector, up in a fraction of a second also where it is emulated.

It says "up" on its serial port, and powers itself off when somebody presses its power button.
"""

from pathlib import Path

# SeaBIOS puts the power management of ACPI at 0x600 (status), 0x602 (enable) and 0x604 (control).
_CODE = (
    ("31C0 8ED8", "xor ax, ax; mov ds, ax"),
    ("BAF803", "mov dx, 0x3F8: the first serial port"),
    ("B075 EE B070 EE B00A EE", "out: u, p, newline"),
    ("BA0206 B80001 EF", "out 0x602, 0x0100: the power button is to be noticed"),
    ("BA0006", "mov dx, 0x600"),
    ("FB F4 ED F6C401 74F8", "sti; hlt; in ax, dx; test ah, 1; jz: wait for it from one tick of the clock to the next"),
    ("BA0406 B80020 EF", "out 0x604, 0x2000: off"),
    ("F4 EBFD", "hlt, and again"),
)
# BIOSes count in cylinders of about half a MiB, and boot from no disk that has none.
_SIZE = 1 << 20


def write_tiny(image: Path) -> Path:
    """Write the guest's raw disk and return its path."""
    code = b"".join(bytes.fromhex(words) for words, _ in _CODE)
    image.write_bytes((code.ljust(510, b"\0") + b"\x55\xaa").ljust(_SIZE, b"\0"))
    return image


def break_tiny(disk: Path) -> None:
    """Take its code from a guest's raw disk: it runs on, and never comes up again."""
    with disk.open("r+b") as file:
        file.write(bytes(512))
