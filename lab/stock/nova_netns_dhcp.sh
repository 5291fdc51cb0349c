#!/bin/sh
# What busybox's udhcpc calls: sets up the interface as the lease says, and tells the server's console.
case "$1" in
bound | renew) ;;
deconfig)
    ip -4 address flush dev "$interface" scope global
    exit 0
    ;;
*)
    echo "dhcp: $interface: $1 ${message:-}"
    exit 0
    ;;
esac
ip address replace "$ip/$mask" dev "$interface"
[ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
# Interfaces keep their order: a default route of a later one does not replace that of an earlier one.
metric=$((100 + ${interface#eth}))
for gateway in $router; do
    ip route replace default via "$gateway" dev "$interface" metric "$metric"
done
set -- $staticroutes
while [ $# -ge 2 ]; do
    if [ "$2" = 0.0.0.0 ]; then
        ip route replace "$1" dev "$interface" metric "$metric"
    else
        ip route replace "$1" via "$2" dev "$interface" metric "$metric"
    fi
    shift 2
done
echo "dhcp: $interface: address $ip/$mask gateway ${router:-none} dns ${dns:-none} mtu ${mtu:-unset} lease ${lease:-unset}"
