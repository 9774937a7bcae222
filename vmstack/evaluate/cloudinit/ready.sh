#!/bin/sh
# Tells the host over a virtio-serial port when cloud-init has finished, and how it went.
# The line's format is described in vmstack/model/readiness.py.
set -eu
mkdir -p /usr/local/sbin
cat >/usr/local/sbin/vmstack-ready <<'REPORT'
#!/bin/sh
channel=org.vmstack.ready.0

# udev makes the link; without udev the port is found by its name.
find_port() {
    if [ -e "/dev/virtio-ports/$channel" ]; then
        echo "/dev/virtio-ports/$channel"
        return
    fi
    for name in /sys/class/virtio-ports/*/name; do
        if [ -r "$name" ] && [ "$(cat "$name")" = "$channel" ]; then
            folder=${name%/name}
            echo "/dev/${folder##*/}"
            return
        fi
    done
}

encode() {
    base64 | tr -d '\n'
}

# What stands in the JSON unencoded has only these characters.
read_plain() {
    tr -cd 'A-Za-z0-9._:-' <"$1"
}

list_addresses() {
    if command -v ip >/dev/null; then
        ip -o addr show |
            sed -n 's|^[0-9]*: *\([^ ]*\) .*inet6\{0,1\} \([0-9a-f.:]*\)/.*|\1 \2|p' |
            sed -n '/^lo /!s/^[^ ]* //p'
    else
        hostname -I | tr ' ' '\n'
    fi
}

cloud-init status --wait >/dev/null 2>&1
code=$?
status=$(cloud-init status --long 2>&1 | encode)
boot=$(read_plain /proc/sys/kernel/random/boot_id)
while :; do
    # A write blocks while nobody reads, so the rest is read anew for each line.
    instance=$(read_plain /var/lib/cloud/data/instance-id)
    result=$(cat /run/cloud-init/result.json 2>/dev/null | encode)
    keys=$(cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | encode)
    addresses=$(list_addresses 2>/dev/null | encode)
    port=$(find_port)
    if [ -n "$port" ]; then
        {
            printf '{"vmstack": 1, "boot": "%s", "instance": "%s", "exit": %s, "status": "%s", "result": "%s", "keys": "%s", "addresses": "%s"}\n' \
                "$boot" "$instance" "$code" "$status" "$result" "$keys" "$addresses" >"$port"
        } 2>/dev/null
    fi
    sleep 5
done
REPORT
chmod 0755 /usr/local/sbin/vmstack-ready

if [ -d /run/systemd/system ]; then
    # No ordering after cloud-final.service: that unit is itself after multi-user.target on Debian and Ubuntu, and
    # the two together would be a cycle, which systemd breaks by dropping a job. The program waits by itself.
    cat >/etc/systemd/system/vmstack-ready.service <<'UNIT'
[Unit]
Description=Tell the host when cloud-init has finished

[Service]
Type=simple
ExecStart=/bin/sh /usr/local/sbin/vmstack-ready
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
    systemctl enable vmstack-ready.service
    systemctl restart --no-block vmstack-ready.service
else
    mkdir -p /var/lib/cloud/scripts/per-boot
    cat >/var/lib/cloud/scripts/per-boot/vmstack-ready <<'BOOT'
#!/bin/sh
setsid /bin/sh /usr/local/sbin/vmstack-ready </dev/null >/dev/null 2>&1 &
BOOT
    chmod 0755 /var/lib/cloud/scripts/per-boot/vmstack-ready
fi
