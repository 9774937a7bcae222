#!/bin/bash
# combustion: network
echo HOSTNAME > /etc/hostname
systemctl enable sshd.service
